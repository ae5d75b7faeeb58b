package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
)

// archiveCmd works on an archive directory alone: whether a daemon runs or is
// archiving makes no difference, since what is archived never changes.
type archiveCmd struct {
	List    archiveListCmd    `cmd:"" help:"List what is archived. Needs no key."`
	Verify  archiveVerifyCmd  `cmd:"" help:"Read every archive and find what is damaged or missing."`
	Extract archiveExtractCmd `cmd:"" help:"Open archives: the journal's segments as they were."`
	Keygen  archiveKeygenCmd  `cmd:"" help:"Make a key pair to seal archives and backups to."`
}

type archiveListCmd struct {
	Dir string `arg:"" help:"Archive directory."`
}

// Run prints a line for each segment and for what is missing between two.
func (c *archiveListCmd) Run(p *process) error {
	var first, last uint64
	var plain, sealed int64
	h, err := archive.List(c.Dir, func(e archive.Entry) error {
		if e.AfterGap {
			fmt.Fprintf(p.out, "events %d to %d: gone before they could be archived\n", last+1, e.First-1)
		}
		fmt.Fprintf(p.out, "events %d to %d: %s, %s sealed, %s\n", e.First, e.Last, bytesOf(e.Bytes), bytesOf(e.SealedBytes), e.File())
		if first == 0 {
			first = e.First
		}
		last, plain, sealed = e.Last, plain+e.Bytes, sealed+e.SealedBytes
		return nil
	})
	if err != nil {
		return archiveError(err)
	}
	fmt.Fprintf(p.out, "archive of %s, epoch %d: %s", h.Building, h.Epoch, count(h.Segments, "segment", "segments"))
	if h.Segments > 0 {
		fmt.Fprintf(p.out, ", events %d to %d, %s, %s sealed", first, last, bytesOf(plain), bytesOf(sealed))
	}
	fmt.Fprintln(p.out)
	return nil
}

func bytesOf(n int64) string { return count(int(n), "byte", "bytes") }

type archiveVerifyCmd struct {
	Dir      string `arg:"" help:"Archive directory."`
	Identity string `short:"i" placeholder:"KEY" help:"Identity file (private key): open the archives too, not only compare their sealed bytes."`
}

// Run prints what is wrong, and how much was looked at.
func (c *archiveVerifyCmd) Run(p *process) error {
	ids, err := identities(c.Identity)
	if err != nil {
		return err
	}
	wrong := 0
	h, err := archive.Verify(p.ctx, c.Dir, ids, new(chain).look, func(_ archive.Entry, err error) error {
		if errors.Is(err, archive.ErrKey) {
			return err // no other one would open either
		}
		if err != nil {
			wrong++
			fmt.Fprintf(p.err, "%v\n", err)
		}
		return nil
	})
	if err != nil {
		return archiveError(err)
	}
	if wrong > 0 {
		return withCode(exitMistakes, fmt.Errorf("%s of %s wrong, see above; the others are sound", count(wrong, "file", "files"), c.Dir))
	}
	how := "sealed bytes as they were written; --identity opens them too"
	if len(ids) > 0 {
		how = "opened, as they were archived, and one chain"
	}
	fmt.Fprintf(p.out, "%s: ok: %s, %s\n", c.Dir, count(h.Segments, "segment", "segments"), how)
	return nil
}

// chain follows the journal's chain of hashes from segment to segment.
type chain struct{ root string }

// look says what is wrong with a segment's place in the chain. Where a damaged segment
// has lost its end, there is nothing to compare.
func (c *chain) look(e archive.Entry, head, tail []byte) error {
	before := c.root
	c.root = e.Root
	prev, root := journal.Ends(head, tail)
	none := [sha256.Size]byte{}
	switch {
	case root != none && e.Root != "" && hex.EncodeToString(root[:]) != e.Root:
		return errors.New("its chain does not end as the manifest says")
	case prev != none && before != "" && !e.AfterGap && hex.EncodeToString(prev[:]) != before:
		return errors.New("it does not follow the segment before it: one of them is not the journal's")
	}
	return nil
}

type archiveExtractCmd struct {
	Dir      string   `arg:"" help:"Archive directory."`
	Names    []string `arg:"" optional:"" name:"name" help:"Segments such as 0000000000000001.seg (default: all)."`
	Identity string   `short:"i" required:"" placeholder:"KEY" help:"Identity file (private key)."`
	Out      string   `short:"o" required:"" placeholder:"DIR" help:"Directory for the segments; made if it is missing."`
}

// Run extracts what was named, all of which must be there.
func (c *archiveExtractCmd) Run(p *process) error {
	ids, err := identities(c.Identity)
	if err != nil {
		return err
	}
	missing := slices.Clone(c.Names)
	_, err = archive.List(c.Dir, func(e archive.Entry) error {
		missing = slices.DeleteFunc(missing, func(name string) bool { return names(name, e) })
		return nil
	})
	if err != nil {
		return archiveError(err)
	}
	if len(missing) > 0 {
		return withCode(exitRefused, fmt.Errorf("%s is not in %s; gatehouse archive list shows what is", missing[0], c.Dir))
	}
	if err := os.MkdirAll(c.Out, 0o700); err != nil {
		return withCode(exitRefused, fmt.Errorf("the directory cannot be made: %w; name another with --out", err))
	}
	return c.extract(p, ids)
}

func (c *archiveExtractCmd) extract(p *process, ids archive.Identities) error {
	_, err := archive.List(c.Dir, func(e archive.Entry) error {
		if len(c.Names) > 0 && !slices.ContainsFunc(c.Names, func(name string) bool { return names(name, e) }) {
			return nil
		}
		if err := archive.Extract(p.ctx, c.Dir, e, ids, c.Out); err != nil {
			return err
		}
		fmt.Fprintln(p.out, filepath.Join(c.Out, e.Name))
		return nil
	})
	return archiveError(err)
}

// names says whether somebody who writes name means e.
func names(name string, e archive.Entry) bool { return name == e.Name || name == e.File() }

type archiveKeygenCmd struct {
	File string `arg:"" help:"File for the private key; must not exist. Keep it off this machine."`
}

// Run writes the private key as age-keygen does and prints the public one.
func (c *archiveKeygenCmd) Run(p *process) error {
	identity, recipient, err := archive.NewKey()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", p.now().UTC().Format(time.RFC3339), recipient, identity)
	if err := writeSecret(c.File, text); err != nil {
		return withCode(exitRefused, fmt.Errorf("the private key cannot be written: %w; name a new file", err))
	}
	fmt.Fprintln(p.out, recipient)
	return nil
}

// writeSecret makes a file that only its owner reads; one that exists is left alone.
func writeSecret(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// identities reads an identity file; none if path is "".
func identities(path string) (archive.Identities, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withCode(exitRefused, fmt.Errorf("the identity file cannot be read: %w; name the file that keygen wrote", err))
	}
	defer func() { _ = f.Close() }() // opened for reading
	ids, err := archive.ReadIdentities(f)
	if err != nil {
		return nil, withCode(exitRefused, fmt.Errorf("%s: %w", path, err))
	}
	return ids, nil
}

// archiveError gives damage its own exit code.
func archiveError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return withCode(exitCutShort, errors.New("interrupted; nothing half-done was left"))
	case errors.Is(err, archive.ErrDamaged):
		return withCode(exitMistakes, err)
	}
	return withCode(exitRefused, err)
}
