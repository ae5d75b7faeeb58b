package access

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnknownWord: a text is none of the words of its enumeration.
var ErrUnknownWord = errors.New("unknown word")

// words are the names of an enumeration, in the order of its numbers. They are
// used in site files, JSON and reports: never change one, only append.
type words[T ~uint8 | ~uint16] struct {
	what string
	list []string
}

func (w words[T]) name(v T) string {
	if int(v) < len(w.list) {
		return w.list[v]
	}
	return fmt.Sprintf("%s(%d)", w.what, v)
}

func (w words[T]) parse(s string) (T, error) {
	for i, word := range w.list {
		if word == s {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("%w: %s %q: use one of %s", ErrUnknownWord, w.what, s, strings.Join(w.list, ", "))
}

func (w words[T]) marshal(v T) ([]byte, error) {
	if int(v) >= len(w.list) {
		return nil, fmt.Errorf("%w: %s number %d has no name: it was written by a newer version", ErrUnknownWord, w.what, v)
	}
	return []byte(w.list[v]), nil
}

func (w words[T]) unmarshal(v *T, text []byte) error {
	parsed, err := w.parse(string(text))
	if err == nil {
		*v = parsed
	}
	return err
}

var (
	durabilityWords = words[Durability]{"durability", []string{"before_unlock", "group"}}
	modeWords       = words[Mode]{"mode", []string{
		"locked", "unlocked", "accessed", "blocked", "locked_down", "locked_open", "double_locked",
	}}
	lockTypeWords     = words[LockType]{"lock type", []string{"fail_secure", "fail_safe"}}
	egressWords       = words[Egress]{"egress", []string{"none", "rex", "mechanical", "hardwired"}}
	antiPassbackWords = words[AntiPassback]{"anti-passback", []string{"off", "soft", "hard"}}
	sideWords         = words[Side]{"side", []string{"in", "out"}}
	verdictWords      = words[Verdict]{"verdict", []string{"denied", "granted"}}
	reasonWords       = words[Reason]{"reason", []string{
		"none", "credential", "rex", "fire", "operator", "mode_unlocked",
		"unknown_card", "credential_not_yet_valid", "credential_expired", "credential_suspended",
		"cardholder_not_yet_valid", "cardholder_expired", "cardholder_suspended",
		"no_level", "outside_schedule", "blocked", "lockdown", "double_locked", "anti_passback",
		"reserved", "area_unavailable", "directory_failed", "busy", "unreadable",
		"schedule", "strike_time", "door_closed", "restart", "stop", "record_late", "no_contact", "restored",
		"deadline",
	}}
	kindWords = words[Kind]{"kind", []string{
		"none", "granted", "denied", "passage", "no_passage", "release_cancelled", "released", "secured",
		"door_opened", "door_closed", "forced_open", "forced_open_ended", "held_open", "held_open_ended",
		"mode_changed", "fire_released", "fire_reset", "tamper", "tamper_ended",
		"record_late", "journal_degraded", "journal_restored", "store_degraded", "store_restored",
		"gap", "actor_restarted", "actor_failed", "reads_refused", "rules_changed", "started", "stopped",
		"lock_fault", "command_refused", "lock_fault_ended",
		"people_changed", "person_erased",
		"archive_degraded", "archive_restored", "retention_degraded", "retention_restored",
		"backup_degraded", "backup_restored",
		"device_degraded", "device_restored", "link_degraded", "link_restored",
		"request_failed", "limit_exceeded", "limit_restored", "profiling_on", "profiling_off",
	}}
	clockWords   = words[ClockQuality]{"clock quality", []string{"unknown", "synchronised", "unsynchronised", "recorded", "virtual"}}
	timerWords   = words[Timer]{"timer", []string{"record", "strike", "held", "indicate"}}
	contactWords = words[Contact]{"contact", []string{"unknown", "closed", "open"}}
	signalWords  = words[Signal]{"signal", []string{"ready", "granted", "denied", "released", "lockdown", "alarm"}}
)

// Every enumeration has its word in both directions. A Parse of another text
// gives ErrUnknownWord with the words that are known.

func (m Mode) String() string                   { return modeWords.name(m) }
func (m Mode) MarshalText() ([]byte, error)     { return modeWords.marshal(m) }
func (m *Mode) UnmarshalText(text []byte) error { return modeWords.unmarshal(m, text) }

// ParseMode reads the word of a Mode.
func ParseMode(s string) (Mode, error) { return modeWords.parse(s) }

func (d Durability) String() string                   { return durabilityWords.name(d) }
func (d Durability) MarshalText() ([]byte, error)     { return durabilityWords.marshal(d) }
func (d *Durability) UnmarshalText(text []byte) error { return durabilityWords.unmarshal(d, text) }

// ParseDurability reads the word of a Durability.
func ParseDurability(s string) (Durability, error) { return durabilityWords.parse(s) }

func (l LockType) String() string                   { return lockTypeWords.name(l) }
func (l LockType) MarshalText() ([]byte, error)     { return lockTypeWords.marshal(l) }
func (l *LockType) UnmarshalText(text []byte) error { return lockTypeWords.unmarshal(l, text) }

// ParseLockType reads the word of a LockType.
func ParseLockType(s string) (LockType, error) { return lockTypeWords.parse(s) }

func (e Egress) String() string                   { return egressWords.name(e) }
func (e Egress) MarshalText() ([]byte, error)     { return egressWords.marshal(e) }
func (e *Egress) UnmarshalText(text []byte) error { return egressWords.unmarshal(e, text) }

// ParseEgress reads the word of a Egress.
func ParseEgress(s string) (Egress, error) { return egressWords.parse(s) }

func (a AntiPassback) String() string                   { return antiPassbackWords.name(a) }
func (a AntiPassback) MarshalText() ([]byte, error)     { return antiPassbackWords.marshal(a) }
func (a *AntiPassback) UnmarshalText(text []byte) error { return antiPassbackWords.unmarshal(a, text) }

// ParseAntiPassback reads the word of a AntiPassback.
func ParseAntiPassback(s string) (AntiPassback, error) { return antiPassbackWords.parse(s) }

func (s Side) String() string                   { return sideWords.name(s) }
func (s Side) MarshalText() ([]byte, error)     { return sideWords.marshal(s) }
func (s *Side) UnmarshalText(text []byte) error { return sideWords.unmarshal(s, text) }

// ParseSide reads the word of a Side.
func ParseSide(s string) (Side, error) { return sideWords.parse(s) }

func (v Verdict) String() string                   { return verdictWords.name(v) }
func (v Verdict) MarshalText() ([]byte, error)     { return verdictWords.marshal(v) }
func (v *Verdict) UnmarshalText(text []byte) error { return verdictWords.unmarshal(v, text) }

// ParseVerdict reads the word of a Verdict.
func ParseVerdict(s string) (Verdict, error) { return verdictWords.parse(s) }

func (r Reason) String() string                   { return reasonWords.name(r) }
func (r Reason) MarshalText() ([]byte, error)     { return reasonWords.marshal(r) }
func (r *Reason) UnmarshalText(text []byte) error { return reasonWords.unmarshal(r, text) }

// ParseReason reads the word of a Reason.
func ParseReason(s string) (Reason, error) { return reasonWords.parse(s) }

func (k Kind) String() string                   { return kindWords.name(k) }
func (k Kind) MarshalText() ([]byte, error)     { return kindWords.marshal(k) }
func (k *Kind) UnmarshalText(text []byte) error { return kindWords.unmarshal(k, text) }

// ParseKind reads the word of a Kind.
func ParseKind(s string) (Kind, error) { return kindWords.parse(s) }

func (c ClockQuality) String() string                   { return clockWords.name(c) }
func (c ClockQuality) MarshalText() ([]byte, error)     { return clockWords.marshal(c) }
func (c *ClockQuality) UnmarshalText(text []byte) error { return clockWords.unmarshal(c, text) }

// ParseClockQuality reads the word of a ClockQuality.
func ParseClockQuality(s string) (ClockQuality, error) { return clockWords.parse(s) }

func (t Timer) String() string                   { return timerWords.name(t) }
func (t Timer) MarshalText() ([]byte, error)     { return timerWords.marshal(t) }
func (t *Timer) UnmarshalText(text []byte) error { return timerWords.unmarshal(t, text) }

// ParseTimer reads the word of a Timer.
func ParseTimer(s string) (Timer, error) { return timerWords.parse(s) }

func (c Contact) String() string                   { return contactWords.name(c) }
func (c Contact) MarshalText() ([]byte, error)     { return contactWords.marshal(c) }
func (c *Contact) UnmarshalText(text []byte) error { return contactWords.unmarshal(c, text) }

// ParseContact reads the word of a Contact.
func ParseContact(s string) (Contact, error) { return contactWords.parse(s) }

func (s Signal) String() string                   { return signalWords.name(s) }
func (s Signal) MarshalText() ([]byte, error)     { return signalWords.marshal(s) }
func (s *Signal) UnmarshalText(text []byte) error { return signalWords.unmarshal(s, text) }

// ParseSignal reads the word of a Signal.
func ParseSignal(s string) (Signal, error) { return signalWords.parse(s) }
