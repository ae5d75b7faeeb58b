package redis

import (
	"encoding/json"
	"strings"

	"gatehouse/access"
	"gatehouse/edge"
)

// version is of the messages' shape. A receiver ignores fields that it does not know.
const version = 1

// Message is what a building publishes. Type says which of the others is there.
type Message struct {
	Version  int             `json:"v"`
	Type     string          `json:"type"` // event, gap or state
	Building string          `json:"building"`
	Event    *edge.Event     `json:"event,omitempty"`
	Gap      *Gap            `json:"gap,omitempty"`
	State    json.RawMessage `json:"state,omitempty"` // as in a heartbeat
}

// Gap says that Count numbers from First on are not published, and Why.
type Gap struct {
	First uint64 `json:"first"`
	Count uint64 `json:"count"`
	Why   Why    `json:"why"`
}

// Why is the reason for a gap.
type Why string

const (
	// WhyMissing: the journal has no such events any more, or never had (a restored
	// building goes on with greater numbers).
	WhyMissing Why = "missing"
	// WhyNew: they are older than the link.
	WhyNew Why = "new_link"
	// WhyLost: how far the link had got cannot be read any more.
	WhyLost Why = "cursor_lost"
	// WhyReplaced: the journal is another one than before.
	WhyReplaced Why = "journal_replaced"
)

// OfEvent is the message of an event.
func OfEvent(building string, e access.Event) ([]byte, error) {
	event := edge.EventOf(e)
	return json.Marshal(Message{Version: version, Type: "event", Building: building, Event: &event})
}

// OfGap is the message of a gap.
func OfGap(building string, g Gap) ([]byte, error) {
	return json.Marshal(Message{Version: version, Type: "gap", Building: building, Gap: &g})
}

// OfState is the message that answers the hint HintState.
func OfState(building string, summary any) ([]byte, error) {
	state, err := json.Marshal(summary)
	if err != nil {
		return nil, err
	}
	return json.Marshal(Message{Version: version, Type: "state", Building: building, State: state})
}

// Taken is what a message from the channel is to a building.
type Taken uint8

const (
	// TakenGarbage: no JSON object of this shape.
	TakenGarbage Taken = iota
	// TakenOversized: longer than MaxHint, and nothing that a building publishes.
	TakenOversized
	// TakenUnknown: a type or a wish that we do not know. Whatever asks for a door,
	// a mode or a person is one.
	TakenUnknown
	// TakenOwn: what this building has published itself.
	TakenOwn
	// TakenOther: what another building has published, or a hint for another.
	TakenOther
	// TakenState: a hint that asks how this building is.
	TakenState
	// TakenEvents: a hint that asks for events that may wait here.
	TakenEvents

	// TakenEnd is behind the last.
	TakenEnd
)

var takenWords = [TakenEnd]string{"garbage", "oversized", "unknown", "own", "other", "state", "events"}

// String is the word for metrics.
func (t Taken) String() string { return takenWords[t] }

// MaxHint bounds a hint, in bytes. What other buildings publish may be longer.
const MaxHint = 1024

// hint is a message that asks for something.
type hint struct {
	Type     string `json:"type"`
	Building string `json:"building"` // "": all
	Want     string `json:"want"`
}

// Read says what a message from the channel is to the building.
func Read(building, text string) Taken {
	var h hint
	if !object(text) || json.Unmarshal([]byte(text), &h) != nil {
		if len(text) > MaxHint {
			return TakenOversized
		}
		return TakenGarbage
	}
	switch h.Type {
	case "event", "gap", "state":
		if h.Building == building {
			return TakenOwn
		}
		return TakenOther
	}
	if len(text) > MaxHint {
		return TakenOversized
	}
	return readHint(building, h)
}

func readHint(building string, h hint) Taken {
	switch {
	case h.Type != "hint":
		return TakenUnknown
	case h.Building != "" && h.Building != building:
		return TakenOther
	case h.Want == "state":
		return TakenState
	case h.Want == "events":
		return TakenEvents
	}
	return TakenUnknown
}

// object says whether a text begins like an object, so that a number or a list does
// not pass for an empty hint.
func object(text string) bool { return strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") }
