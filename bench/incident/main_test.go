package incident

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// columnVar makes a column's process of this test's program.
const columnVar = "GATEHOUSE_INCIDENT_COLUMN"

func TestMain(m *testing.M) {
	text := os.Getenv(columnVar)
	if text == "" {
		os.Exit(m.Run())
	}
	var s Spec
	err := json.Unmarshal([]byte(text), &s)
	if err == nil {
		err = RunColumn(context.Background(), s, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "column:", err)
		os.Exit(2)
	}
	os.Exit(0)
}

// columnProcess is this program again.
func columnProcess(s Spec) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), columnVar+"="+string(text))
	return cmd, nil
}
