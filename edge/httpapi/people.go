package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"gatehouse/access"
)

// Errors of People.
var (
	ErrPeopleChange = errors.New("people are being changed")
	ErrNamedBySite  = errors.New("the site file names this person")
	ErrNoRoom       = errors.New("there is not enough room on the disk")
)

// People changes people, one change at a time. Its methods are safe for concurrent
// use. Import reads the file to its end before it returns, size is -1 if that is not
// known; what becomes of a change, Status says. Errors of Import and Erase besides
// those above are a file that did not arrive, and a building that cannot do it now.
type People interface {
	Import(file io.Reader, size int64) (number uint64, err error)
	Erase(id access.CardholderID) (number uint64, err error)
	Status() PeopleStatus
}

// PeopleStatus is the change under way, or the last one of this process; the zero
// value is none.
type PeopleStatus struct {
	Running bool      `json:"running"`
	Number  uint64    `json:"number,omitempty"` // of the change, from 1 in each life of the daemon
	Change  string    `json:"change,omitempty"` // "import" or "erase"
	Began   time.Time `json:"began,omitzero"`
	Stage   string    `json:"stage,omitempty"` // of an import: what is being counted
	Done    int       `json:"done,omitempty"`  // so many

	Import   *ImportReport `json:"import,omitempty"`
	Erased   *ErasedReport `json:"erased,omitempty"`
	Mistakes []Mistake     `json:"mistakes,omitempty"` // nothing is imported
	More     int           `json:"more_mistakes,omitempty"`
	Unknown  bool          `json:"unknown,omitempty"` // nobody has the id that was to be erased
	Error    string        `json:"error,omitempty"`   // nothing is changed, unless it says so
	// Unrecorded says why the journal does not have the change yet; it will.
	Unrecorded string `json:"unrecorded,omitempty"`
}

// ImportReport is what an import did.
type ImportReport struct {
	Lines              int    `json:"lines"`
	HoldersAdded       int    `json:"people_added"`
	HoldersChanged     int    `json:"people_changed"`
	CredentialsAdded   int    `json:"credentials_added"`
	CredentialsChanged int    `json:"credentials_changed"`
	CredentialsRemoved int    `json:"credentials_removed"`
	Version            uint64 `json:"version"`
}

// ErasedReport is what an erasure took.
type ErasedReport struct {
	Credentials int `json:"credentials"`
}

// Mistake is one in the file of an import. It never shows a name or a card number.
type Mistake struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
}

// importPath is the one path whose requests bring something along.
const importPath = "/api/people/import"

// Limits of the file of an import. MaxImport is its size in bytes; each part of it has
// to arrive within partLimit, and all of it within uploadLimit.
const (
	MaxImport   = 1 << 30
	partLimit   = 10 * time.Second
	uploadLimit = 30 * time.Minute
)

func (a *API) peopleStatus(w http.ResponseWriter, _ *http.Request) {
	if a.o.People == nil {
		noPeople(w)
		return
	}
	answer(w, http.StatusOK, a.o.People.Status())
}

func noPeople(w http.ResponseWriter) {
	fail(w, http.StatusNotFound, problem{Code: "no_people", Message: "This building's people cannot be changed here.", Hint: "Ask the daemon that gatehouse serve runs."})
}

// importPeople takes the file and begins.
func (a *API) importPeople(w http.ResponseWriter, r *http.Request) {
	if a.o.People == nil {
		noPeople(w)
		return
	}
	if r.ContentLength > MaxImport {
		importTooLarge(w)
		return
	}
	if !standing(r) { // one at a time, and each part of it has a limit of its own
		return
	}
	c := http.NewResponseController(w)
	began := a.o.Clock.Now()
	file := upload{from: http.MaxBytesReader(w, r.Body, MaxImport), next: func() error {
		now := a.o.Clock.Now()
		return c.SetReadDeadline(earlier(now.Add(partLimit), began.Add(uploadLimit)))
	}}
	number, err := a.o.People.Import(&file, r.ContentLength)
	_ = c.SetWriteDeadline(a.o.Clock.Now().Add(writeTimeout)) // the one of the server may be over
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(file.err, &tooLarge) {
		importTooLarge(w)
		return
	}
	if file.err != nil {
		fail(w, http.StatusBadRequest, problem{
			Code: "body_unreadable", Message: "The file did not arrive: " + clipLong(file.err.Error()) + ".",
			Hint: "Nothing is imported; send it again.",
		})
		return
	}
	changeBegun(w, number, err)
}

func importTooLarge(w http.ResponseWriter) {
	fail(w, http.StatusRequestEntityTooLarge, problem{
		Code: "body_too_large", Message: "The file has more than " + strconv.Itoa(MaxImport) + " bytes.",
		Hint: "Nothing is imported; import it in parts.",
	})
}

// upload is a file on its way, with a deadline for each part of it.
type upload struct {
	from io.Reader
	next func() error // sets the next deadline
	err  error        // of the network
}

// Read reads a part.
func (u *upload) Read(p []byte) (int, error) {
	if err := u.next(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		u.err = err
		return 0, err
	}
	n, err := u.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	return n, err
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// erase begins to erase a person.
func (a *API) erase(w http.ResponseWriter, r *http.Request) {
	if a.o.People == nil {
		noPeople(w)
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(q) != 1 || len(q["id"]) != 1 || q.Get("id") == "" {
		fail(w, http.StatusBadRequest, problem{
			Code: "bad_query", Message: "It is not said who.", Hint: "Give id=ID of one cardholder, and nothing else.",
		})
		return
	}
	number, err := a.o.People.Erase(access.CardholderID(q.Get("id")))
	changeBegun(w, number, err)
}

// begun is the answer to who began a change.
type begun struct {
	Number uint64 `json:"number"`
}

func changeBegun(w http.ResponseWriter, number uint64, err error) {
	switch {
	case err == nil:
		answer(w, http.StatusAccepted, begun{number})
	case errors.Is(err, ErrPeopleChange):
		fail(w, http.StatusConflict, problem{
			Code: "people_change_runs", Message: "People are being changed already.", Hint: "GET /api/people says when that is done.",
		})
	case errors.Is(err, ErrNamedBySite):
		fail(w, http.StatusConflict, problem{
			Code: "named_by_site", Message: "The site file names this person, and the next start would bring them back.",
			Hint: "Take them out of the site file and restart the building; then erase them.",
		})
	case errors.Is(err, ErrNoRoom):
		fail(w, http.StatusInsufficientStorage, problem{
			Code: "no_room", Message: clipLong(err.Error()) + ".", Hint: "Nothing is imported; make room in the data directory and try again.",
		})
	default:
		fail(w, http.StatusServiceUnavailable, problem{
			Code: "change_refused", Message: clipLong(err.Error()) + ".", Hint: "Nothing is changed; /readyz says what does not work.",
		})
	}
}
