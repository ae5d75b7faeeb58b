package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"

	"gatehouse/actors"
)

// problem is the answer when something is not possible: Code for programs,
// Message in one sentence, Hint what to do.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`

	Results  []actors.CommandResult `json:"results,omitempty"`
	Degraded []string               `json:"degraded,omitempty"`
}

func fail(w http.ResponseWriter, status int, p problem) { answer(w, status, p) }

// answer writes v as JSON. A client that went away is no fault of ours.
func answer(w http.ResponseWriter, status int, v any) {
	text, err := marshal(v)
	if err != nil {
		status = http.StatusInternalServerError
		text, _ = marshal(problem{
			Code: "internal", Message: "The answer cannot be written as JSON: " + err.Error() + ".",
			Hint: "Report this as a fault of gatehouse.",
		})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// marshal writes an & as it is: people read these answers in a terminal, and
// browsers are told not to take them for a page.
func marshal(v any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return text.Bytes(), err
}

// clip shortens what a client sent before it is shown to it again.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
