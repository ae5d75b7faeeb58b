package diag

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"gatehouse/actors"
	"gatehouse/cmd/gatehouse/site"
	"gatehouse/supervisor"
)

func TestWhatIsKeptOfATextThatCouldSayAnything(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "",
		"panic: card 31415926535 of Ada Adler": "panic",
		"error: open /home/ada/secret: " + syscall.ENOENT.Error(): "error: " + syscall.ENOENT.Error(),
		"killed: Ada Adler":   "killed",
		"normal":              "normal",
		"Ada Adler: error: x": "(not shown)",
		"write 31415926535: " + syscall.ENOSPC.Error() + ": " + syscall.EIO.Error(): syscall.EIO.Error() + ": " + syscall.ENOSPC.Error(),
	} {
		if got := said(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"journal: events wait in memory: write /x/Ada: " + syscall.ENOSPC.Error(): "journal: " + syscall.ENOSPC.Error(),
		"door d-01: the lock of Ada does not do as told":                          "door d-01: (not shown)",
		"building/edge/http failed: panic: Ada Adler":                             "building/edge/http failed: panic",
		"building/doors/d-01 is restarting":                                       "building/doors/d-01 is restarting",
		"the building is stopped":                                                 "(not shown)",
		"people: cards cannot be looked up: /x/Ada: " + syscall.EIO.Error():       "people: " + syscall.EIO.Error(),
		"Ada Adler: x":      "(not shown)",
		"journal of Ada: x": "(not shown)",
	} {
		if got := wrong(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestATreeWithoutReasons(t *testing.T) {
	shown := tree(supervisor.Tree{ID: "a", LastReason: "panic: Ada", Children: []supervisor.Tree{{ID: "b", LastReason: "error: Ada", Restarts: 3}}})
	if text := shown.String(); strings.Contains(text, "Ada") || !strings.Contains(text, "panic") || !strings.Contains(text, "restarts=3") {
		t.Error(text)
	}
}

// A stack has the values of arguments in it, and the paths of who built it. Neither
// is shown, the functions are.
func TestAStackWithoutValues(t *testing.T) {
	waiting, leave := make(chan string), make(chan struct{})
	const card = 31415926535
	go func() { holdTheCard(card, waiting, leave) }()
	stack := <-waiting
	close(leave)
	value := fmt.Sprintf("%#x", card)
	if !strings.Contains(stack, value) {
		t.Fatalf("the control: no argument in\n%s", stack)
	}
	shown := actors.WithoutValues(stack)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(shown, value) || strings.Contains(shown, "(0x") || strings.Contains(shown, filepath.Dir(here)) || strings.Contains(shown, "+0x") {
		t.Errorf("it shows too much:\n%s", shown)
	}
	for _, want := range []string{"diag.holdTheCard\n\tdiag/redact_test.go:", "created by gatehouse/cmd/gatehouse/diag.TestAStackWithoutValues\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in\n%s", want, shown)
		}
	}
	for cut := range stack { // wherever a long one is cut off
		if shown := actors.WithoutValues(stack[:cut]); strings.Contains(shown, value) {
			t.Fatalf("cut after %d bytes it shows\n%s", cut, shown)
		}
	}
}

//go:noinline
func holdTheCard(card uint64, waiting chan<- string, leave <-chan struct{}) {
	buf := make([]byte, 64<<10)
	waiting <- string(buf[:runtime.Stack(buf, false)])
	<-leave
	runtime.KeepAlive(card)
}

// Every text that a site file can hold is planted, and no more of them come out than
// is allowed. A field that somebody adds is planted too.
func TestTheConfigShowsOnlyWhatMayBeShown(t *testing.T) {
	s := &site.Site{}
	plant(reflect.ValueOf(s).Elem(), "Site")
	var out strings.Builder
	if err := asJSON(configOf(s))(&out); err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{
		"Site.Building.ID": true, "Site.Building.TimeZone": true, "Site.HTTP.Addr": true, "Site.Archive.At": true, "Site.Backup.At": true,
		"Site.Rules.Doors[0].ID": true, "Site.Rules.Doors[0].Readers[0].ID": true, "Site.Rules.Doors[0].Readers[0].Format": true,
		"Site.Devices[0].ID": true, "Site.Devices[0].Driver": true,
	}
	planted := 0
	walk(reflect.ValueOf(s).Elem(), "Site", func(v reflect.Value, path string) {
		planted++
		if shown := strings.Contains(out.String(), `"`+v.String()+`"`); shown != allowed[path] {
			t.Errorf("%s: shown is %v", path, shown)
		}
	})
	if planted < 40 {
		t.Errorf("only %d texts were planted", planted)
	}
}

// plant gives every text below v its own path, and every list and map an entry.
func plant(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		plant(v.Index(0), path+"[0]")
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		plant(key, path+".key")
		plant(value, path+".value")
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				plant(v.Field(i), path+"."+f.Name)
			}
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("planted at %s", path))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		plant(v.Elem(), path)
	default: // a number: those of people are counted only
	}
}

// walk visits what plant planted.
func walk(v reflect.Value, path string, visit func(reflect.Value, string)) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			walk(k, path+".key", visit)
			walk(v.MapIndex(k), path+".value", visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				walk(v.Field(i), path+"."+f.Name, visit)
			}
		}
	case reflect.Pointer:
		walk(v.Elem(), path, visit)
	case reflect.String:
		visit(v, path)
	default:
	}
}
