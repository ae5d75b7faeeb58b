package archive

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var midnight = time.Date(2026, 3, 29, 2, 0, 0, 0, time.UTC)

// Whoever waits as told passes the rate and one burst, no more, and at a steady
// stream no less.
func TestBucketKeepsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Bucket{
			BytesPerSecond: rapid.Int64Range(1, 100<<20).Draw(t, "rate"),
			BurstBytes:     rapid.Int64Range(0, 1<<20).Draw(t, "burst"),
		}
		now, sum, idle := midnight, int64(0), time.Duration(0)
		for range rapid.IntRange(1, 50).Draw(t, "blocks") {
			n := rapid.IntRange(1, maxBlock).Draw(t, "n")
			sum += int64(n)
			wait := b.Take(now, n)
			if cost := b.span(int64(n)); wait < 0 || wait > 2*cost {
				t.Fatalf("waits %v for what takes %v", wait, cost)
			}
			pause := time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "pause"))
			idle += pause
			now = now.Add(wait + pause)
		}
		took := now.Sub(midnight)
		if most := float64(b.BytesPerSecond)*took.Seconds() + float64(b.BurstBytes) + 1; float64(sum) > most {
			t.Fatalf("%d bytes in %v, at most %f", sum, took, most)
		}
		if least := float64(b.BytesPerSecond)*(took-idle).Seconds() - 1; float64(sum) < least {
			t.Fatalf("%d bytes in %v of waiting, %f were possible", sum, took-idle, least)
		}
	})
}

// A clock that is set gives no burst for nothing and no wait for hours.
func TestBucketAndAClockThatIsSet(t *testing.T) {
	b := Bucket{BytesPerSecond: 1000}
	for _, c := range []struct {
		now  time.Time
		want time.Duration
	}{
		{midnight, time.Second},
		{midnight.Add(999 * time.Millisecond), time.Second + time.Millisecond}, // a timer that was early
		{midnight.Add(-time.Hour), time.Second},
		{midnight.Add(time.Hour), time.Second},
	} {
		if got := b.Take(c.now, 1000); got != c.want {
			t.Errorf("at %v: %v, want %v", c.now, got, c.want)
		}
	}
	if got := new(Bucket).Take(midnight, 1000); got != 0 {
		t.Errorf("without a limit: %v", got)
	}
}
