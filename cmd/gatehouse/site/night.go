package site

import (
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"gatehouse/access"
	"gatehouse/actors/nightly"
	"gatehouse/persistence/archive"
	"gatehouse/persistence/journal"
)

// Bounds of the sections journal, archive and backup. A segment of the greatest size still
// fits into an archive.
const (
	maxSegmentMB = 1024
	maxDays      = 36_500
	maxMB        = 1 << 30
	maxRate      = 10_000
	maxKeep      = 1000

	defaultAt       = "0 2 * * *"
	defaultRate     = 8
	defaultBackupAt = "30 2 * * *"
	defaultKeep     = 7
)

// Journal says how events are kept. A megabyte (MB) is 2^20 bytes.
type Journal struct {
	SegmentMB uint32
	Retention Retention
}

// Retention says how long events are kept; 0 each: as long as there is room.
type Retention struct {
	Days      uint32
	MaxMB     uint64 // of the whole journal
	MinFreeMB uint64 // that has to stay free on its disk
}

// Archive says where sealed segments of the journal are copied to, and when.
type Archive struct {
	Dir          string // absolute; "": there is no archive
	At           string // cron expression on the building's wall clock
	Recipients   []string
	IdentityFile string // absolute, or ""
	RateMBPerS   uint32
}

// Backup says where backups are made at night, and when.
type Backup struct {
	Dir        string // absolute; "": none are
	At         string // like the archive's
	Recipients []string
	Keep       uint32 // so many stay
}

func (p *parser) journal(n *yaml.Node) {
	j := &p.site.Journal
	p.object(
		n, "the journal section",
		field{"segment_mb", "", number(p, &j.SegmentMB, 1, maxSegmentMB)},
		field{"durability", "", choice(p, &p.defaults.Durability, access.Durability.String, access.BeforeUnlock, access.Group)},
		field{"retention", "", func(n *yaml.Node) {
			r := &j.Retention
			p.object(
				n, "a retention",
				field{"days", "", number(p, &r.Days, 1, maxDays)},
				field{"max_mb", "", number(p, &r.MaxMB, 1, maxMB)},
				field{"min_free_mb", "", number(p, &r.MinFreeMB, 1, maxMB)},
			)
		}},
	)
}

func (p *parser) archive(n *yaml.Node) {
	a := &p.site.Archive
	a.At, a.RateMBPerS = defaultAt, defaultRate
	p.object(
		n, "the archive section",
		field{"dir", "/srv/archive", p.absolute(&a.Dir)},
		field{"at", "", p.cron(&a.At)},
		field{"recipients", "[age1...] (public keys of gatehouse archive keygen)", p.recipients(&a.Recipients, "archive")},
		field{"identity_file", "", p.absolute(&a.IdentityFile)},
		field{"rate_mb_per_s", "", number(p, &a.RateMBPerS, 1, maxRate)},
	)
}

// backup needs recipients of its own only where there is no archive.
func (p *parser) backup(n *yaml.Node) {
	b := &p.site.Backup
	b.At, b.Keep = defaultBackupAt, defaultKeep
	need := "[age1...] (public keys of gatehouse archive keygen)"
	if p.site.Archive.At != "" {
		need = ""
	}
	p.object(
		n, "the backup section",
		field{"dir", "/srv/backup", p.absolute(&b.Dir)},
		field{"at", "", p.cron(&b.At)},
		field{"recipients", need, p.recipients(&b.Recipients, "backup")},
		field{"keep", "", number(p, &b.Keep, 1, maxKeep)},
	)
}

// absolute reads a path that means the same wherever the daemon is started.
func (p *parser) absolute(dst *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		var path string
		p.text(&path)(n)
		if path != "" && !filepath.IsAbs(path) {
			p.wrong(n, "an absolute path such as /srv/archive")
			return
		}
		*dst = path
	}
}

func (p *parser) cron(dst *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if !isText(n) {
			p.wrong(n, `five fields of cron in quotes, such as "`+defaultAt+`"`)
			return
		}
		if _, err := nightly.Parse(n.Value); err != nil {
			p.at(n, "%s: %v", p.key, err)
			return
		}
		*dst = n.Value
	}
}

// recipients refuses each key that nothing could be sealed to; what is what they
// open.
func (p *parser) recipients(dst *[]string, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		p.list("public keys", func(n *yaml.Node) { p.recipient(n, dst) })(n)
		if n.Kind == yaml.SequenceNode && (len(n.Content) == 0 || len(n.Content) > archive.MaxRecipients) {
			p.at(n, "%d recipients — give 1 to %d: the private key of one of them opens the %s", len(n.Content), archive.MaxRecipients, what)
		}
	}
}

func (p *parser) recipient(n *yaml.Node, dst *[]string) {
	if strings.HasPrefix(strings.ToUpper(n.Value), "AGE-SECRET-KEY-") {
		p.at(n, "%s: this is a private key, which does not belong here — give the public one, age1..., and keep this one off this machine", p.key)
		return
	}
	if _, err := archive.ParseRecipients([]string{n.Value}); !isText(n) || err != nil {
		p.wrong(n, "a public key age1... of gatehouse archive keygen or age-keygen")
		return
	}
	if slices.Contains(*dst, n.Value) {
		p.at(n, "the recipient %s is here twice — keep one of them", quote(n.Value))
		return
	}
	*dst = append(*dst, n.Value)
}

const defaultSegmentMB = journal.DefaultSegmentBytes >> 20
