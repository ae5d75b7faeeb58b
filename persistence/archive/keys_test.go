package archive

import (
	"strings"
	"testing"
)

func TestKeysThatAreRefused(t *testing.T) {
	a, b := newKey(t), newKey(t)
	many := strings.Split(strings.Repeat(a.pub+" ", MaxRecipients+1), " ")
	for _, c := range []struct {
		texts []string
		text  string
	}{
		{nil, "0 recipients, 1 to 20 are possible"},
		{many, "22 recipients"},
		{[]string{a.pub, b.pub, a.pub}, "named twice"},
		{[]string{"age1nothing"}, `"age1nothing" is no recipient`},
		{[]string{""}, "is no recipient"},
	} {
		_, err := ParseRecipients(c.texts)
		want(t, err, ErrKey, c.text)
	}
	for text, says := range map[string]string{
		"":                             "no identity file",
		a.pub:                          "no identity file",
		"AGE-SECRET-KEY-1NOT":          "no identity file",
		strings.Repeat("# x\n", 1<<16): "longer than 65536",
	} {
		_, err := ReadIdentities(strings.NewReader(text))
		want(t, err, ErrKey, says)
		if strings.Contains(err.Error(), "SECRET-KEY-1NOT") {
			t.Error("the error quotes a private key")
		}
	}
}

// Each of several recipients opens what was sealed to all, and the key by which it
// is read back does not outlive that.
func TestSeveralRecipients(t *testing.T) {
	dir, a, b := t.TempDir(), newKey(t), newKey(t)
	o := options(dir, a)
	o.Sealing.Recipients = append(o.Sealing.Recipients, b.to...)
	add(t, open(t, o), segment(t, dir, 1, 10, 1000))
	for _, k := range []key{a, b} {
		check1(t, Extract(t.Context(), o.Dir, entries(t, o.Dir)[0], k.ids, t.TempDir()))
	}
	k := &fileKey{}
	_, err := overhearing{a.to[0], k}.Wrap([]byte("sixteen bytes..."))
	check1(t, err)
	if string(k.key) != "sixteen bytes..." {
		t.Errorf("heard %q", k.key)
	}
	k.forget()
	if strings.Trim(string(k.key), "\x00") != "" {
		t.Errorf("still knows %q", k.key)
	}
}
