package access

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryConstantHasAWord counts the constants in the source, so that one that
// is appended without a word fails here.
func TestEveryConstantHasAWord(t *testing.T) {
	t.Parallel()
	want := constants(t)
	got := map[string][]string{
		"Mode": modeWords.list, "LockType": lockTypeWords.list, "Egress": egressWords.list,
		"AntiPassback": antiPassbackWords.list, "Side": sideWords.list, "Verdict": verdictWords.list,
		"Reason": reasonWords.list, "Kind": kindWords.list, "ClockQuality": clockWords.list,
		"Durability": durabilityWords.list, "Timer": timerWords.list, "Contact": contactWords.list, "Signal": signalWords.list,
	}
	for name, constants := range want {
		if len(got[name]) != len(constants) {
			t.Errorf("%s has %d constants and %d words", name, len(constants), len(got[name]))
			continue
		}
		for i, constant := range constants {
			checkWord(t, name, constant, got[name][i])
		}
	}
	if len(want) != len(got) {
		t.Errorf("%d enumerations in the source, %d here", len(want), len(got))
	}
}

// checkWord: a word is made of its constant's name, so none is in another's place.
func checkWord(t *testing.T, enum, constant, word string) {
	t.Helper()
	if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(word) {
		t.Errorf("%s: %q is no lower-case word", enum, word)
	}
	bare := strings.ReplaceAll(word, "_", "")
	if !strings.HasSuffix(strings.ToLower(constant), bare) {
		t.Errorf("%s: the word of %s is %q", enum, constant, word)
	}
}

// constants are the names of each iota enumeration of the package, in order.
func constants(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.CONST {
				addConstants(found, gen)
			}
		}
	}
	return found
}

func addConstants(found map[string][]string, gen *ast.GenDecl) {
	first, ok := gen.Specs[0].(*ast.ValueSpec)
	if !ok || len(first.Values) != 1 || first.Type == nil {
		return
	}
	if value, ok := first.Values[0].(*ast.Ident); !ok || value.Name != "iota" {
		return
	}
	enum := first.Type.(*ast.Ident).Name
	for _, spec := range gen.Specs {
		found[enum] = append(found[enum], spec.(*ast.ValueSpec).Names[0].Name)
	}
}

func TestWordsThereAndBack(t *testing.T) {
	t.Parallel()
	thereAndBack(t, modeWords, ParseMode)
	thereAndBack(t, durabilityWords, ParseDurability)
	thereAndBack(t, lockTypeWords, ParseLockType)
	thereAndBack(t, egressWords, ParseEgress)
	thereAndBack(t, antiPassbackWords, ParseAntiPassback)
	thereAndBack(t, sideWords, ParseSide)
	thereAndBack(t, verdictWords, ParseVerdict)
	thereAndBack(t, reasonWords, ParseReason)
	thereAndBack(t, kindWords, ParseKind)
	thereAndBack(t, clockWords, ParseClockQuality)
	thereAndBack(t, timerWords, ParseTimer)
	thereAndBack(t, contactWords, ParseContact)
	thereAndBack(t, signalWords, ParseSignal)
}

func thereAndBack[T interface {
	~uint8 | ~uint16
	String() string
}](t *testing.T, w words[T], parse func(string) (T, error),
) {
	t.Helper()
	for i := range w.list {
		v := T(i)
		if got, err := parse(v.String()); err != nil || got != v {
			t.Errorf("%s: %v is read as %v, %v", w.what, v, got, err)
		}
		text, err := json.Marshal(map[string]T{"v": v})
		if err != nil || string(text) != `{"v":"`+v.String()+`"}` {
			t.Errorf("%s: json of %v is %s, %v", w.what, v, text, err)
		}
		var back map[string]T
		if err := json.Unmarshal(text, &back); err != nil || back["v"] != v {
			t.Errorf("%s: %s is read as %v, %v", w.what, text, back["v"], err)
		}
	}
	if _, err := parse("no such word"); !errors.Is(err, ErrUnknownWord) || !strings.Contains(err.Error(), w.list[0]) {
		t.Errorf("%s: a wrong word gives %v", w.what, err)
	}
	beyond := T(len(w.list))
	if _, err := json.Marshal(beyond); err == nil {
		t.Errorf("%s: a number without a word was written", w.what)
	}
	if !strings.HasPrefix(beyond.String(), w.what+"(") {
		t.Errorf("%s: a number without a word is called %v", w.what, beyond)
	}
}

func TestWrongWordLeavesTheValue(t *testing.T) {
	t.Parallel()
	m := LockedDown
	if err := m.UnmarshalText([]byte("Locked")); err == nil || m != LockedDown {
		t.Errorf("got %v, %v", m, err)
	}
}

func TestZeroValuesAreSafe(t *testing.T) {
	t.Parallel()
	var d Decision
	var m Mode
	if d.Verdict != Denied || m != Locked || m.Releases() || AtRest(m, false) {
		t.Error("a zero value opens something")
	}
	s, actions := Step(&Door{}, DoorState{}, Begin{}, monday)
	same(t, []string{"secure", "show ready"}, sayAll(actions))
	if s != (DoorState{}) {
		t.Errorf("a zero door began as %+v", s)
	}
}
