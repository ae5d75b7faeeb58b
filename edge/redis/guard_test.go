package redis

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

var streams = map[string]struct {
	text  string
	whole bool
	err   error
}{
	"nothing":               {"", true, nil},
	"status":                {"+OK\r\n", true, nil},
	"half a status":         {"+OK\r", false, nil},
	"error and number":      {"-ERR no\r\n:7\r\n", true, nil},
	"text":                  {"$5\r\nhe\r\no\r\n", true, nil},
	"half a text":           {"$5\r\nhe\r\n", false, nil},
	"no text, no list":      {"$-1\r\n*-1\r\n", true, nil},
	"empty ones":            {"$0\r\n\r\n*0\r\n+\r\n", true, nil},
	"message":               {"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n", true, nil},
	"half a message":        {"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n", false, nil},
	"list in a list":        {"*2\r\n*2\r\n:1\r\n:2\r\n*0\r\n", true, nil},
	"half a list in one":    {"*2\r\n*2\r\n:1\r\n:2\r\n", false, nil},
	"map":                   {"%1\r\n+a\r\n+b\r\n", true, nil},
	"longest text":          {"$65536\r\n" + strings.Repeat("x", 65536) + "\r\n", true, nil},
	"text that is too long": {"$65537\r\n", false, errOversized},
	"text of 2 GB":          {"$2000000000\r\n", false, errNonsense},
	"line without end":      {"+" + strings.Repeat("x", 70000), false, errOversized},
	"list of a million":     {"*1000000\r\n", false, errNonsense},
	"lists all the way":     {strings.Repeat("*1\r\n", 9), false, errNonsense},
	"lists with leaves":     {strings.Repeat("*2\r\n:1\r\n", 9), false, errNonsense},
	"lists that multiply":   {"*1024\r\n" + strings.Repeat("$65536\r\n"+strings.Repeat("x", 65536)+"\r\n", 3), false, errEndless},
	"lists of little":       {"*1024\r\n" + strings.Repeat("*1024\r\n"+strings.Repeat("_\r\n", 1024), 50), false, errEndless},
	"many replies":          {strings.Repeat("$60000\r\n"+strings.Repeat("x", 60000)+"\r\n", 4), true, nil},
	"negative":              {"$-2\r\n", false, errNonsense},
	"another protocol":      {"HTTP/1.1 400 Bad Request\r\n", false, errNonsense},
	"line feed alone":       {"+OK\n", false, errNonsense},
	"empty line":            {"\r\n", false, errNonsense},
}

// The guard says the same however the stream is cut into pieces.
func TestGuard(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for name, c := range streams {
		for range 20 {
			var s scan
			var err error
			for rest := []byte(c.text); len(rest) > 0; {
				n := 1 + random.IntN(min(len(rest), 1+random.IntN(len(rest))))
				err = s.take(rest[:n])
				rest = rest[n:]
			}
			if !errors.Is(err, c.err) || err == nil && s.whole() != c.whole {
				t.Errorf("%s: %v, whole %t", name, err, s.whole())
			}
		}
	}
}

// FuzzGuard: whatever comes, the guard neither panics nor holds more than it may.
func FuzzGuard(f *testing.F) {
	for _, c := range streams {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s scan
		err := s.take(b)
		if len(s.line) > maxText+1 || s.skip > maxText+2 || len(s.lists) > maxDepth {
			t.Errorf("holds %d bytes, skips %d, %d deep", len(s.line), s.skip, len(s.lists))
		}
		if again := s.take([]byte("+OK\r\n")); err != nil && again != err {
			t.Errorf("%v, then %v", err, again)
		}
	})
}
