package supervisor_test

import (
	"testing"

	"github.com/asynkron/protoactor-go/actor"
)

// BenchmarkTellStockBounded is protoactor's Bounded mailbox, for comparison.
func BenchmarkTellStockBounded(b *testing.B) {
	system := stock()
	done := make(chan struct{})
	left := b.N
	pid := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if n, ok := c.Message().(int); ok {
			if left -= n; left == 0 {
				close(done)
			}
		}
	}, actor.WithMailbox(actor.Bounded(1024))))
	msg := any(1)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		system.Root.Send(pid, msg)
	}
	<-done
}
