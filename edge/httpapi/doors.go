package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"gatehouse/access"
	"gatehouse/actors"
)

// actions are what can be done to one door, besides fire-reset.
var actions = map[string]access.Command{
	"unlock":   {Mode: access.Unlocked},
	"lock":     {Mode: access.Locked},
	"lockdown": {Mode: access.LockedDown},
	"normal":   {Clear: true},
}

// door is a DoorStatus as JSON. Released is null while the lock does not do as it
// is told: then nobody knows.
type door struct {
	actors.DoorStatus
	Released *bool `json:"released"`
}

func doorJSON(s actors.DoorStatus) door {
	if faulty(s) {
		return door{s, nil}
	}
	return door{s, &s.Released}
}

func faulty(s actors.DoorStatus) bool { return s.LockFault }

func (a *API) doors(w http.ResponseWriter, _ *http.Request) {
	list := []door{}
	for _, s := range a.o.Building.Doors() {
		list = append(list, doorJSON(s))
	}
	answer(w, http.StatusOK, map[string]any{"doors": list})
}

func (a *API) door(w http.ResponseWriter, r *http.Request) {
	status, err := a.o.Building.Door(doorID(r))
	if err != nil {
		failCommand(w, err)
		return
	}
	answer(w, http.StatusOK, doorJSON(status))
}

func doorID(r *http.Request) access.DoorID { return access.DoorID(r.PathValue("id")) }

func (a *API) command(w http.ResponseWriter, r *http.Request) {
	action := r.PathValue("action")
	cmd, known := actions[action]
	cmd.Operator = Operator
	switch {
	case known:
		a.report(w)(a.o.Building.Command(cmd, doorID(r)))
	case action == "fire-reset":
		a.report(w)(a.o.Building.ResetFire(Operator, doorID(r)))
	default:
		fail(w, http.StatusNotFound, problem{
			Code:    "unknown_action",
			Message: "A door cannot " + strconv.Quote(clip(action)) + ".",
			Hint:    "Use unlock, lock, lockdown, normal or fire-reset.",
		})
	}
}

// commandAll gives a command to all doors at once, in one transaction.
func (a *API) commandAll(cmd access.Command) http.HandlerFunc {
	cmd.Operator = Operator
	return func(w http.ResponseWriter, _ *http.Request) {
		var all []access.DoorID
		for _, d := range a.o.Building.Doors() {
			all = append(all, d.ID)
		}
		a.report(w)(a.o.Building.Command(cmd, all...))
	}
}

// report answers with what a command did.
func (a *API) report(w http.ResponseWriter) func(actors.CommandReport, error) {
	return func(done actors.CommandReport, err error) {
		var refused, down int
		var why access.Reason
		for _, r := range done.Results {
			switch {
			case r.Accepted:
			case r.Down:
				down++
			default:
				refused++
				why = r.Refused
			}
		}
		switch {
		case err != nil:
			failCommand(w, err)
		case refused > 0:
			fail(w, http.StatusConflict, refusal(why, refused, done.Results))
		case down > 0:
			fail(w, http.StatusServiceUnavailable, problem{
				Code:    "door_down",
				Message: fmt.Sprintf("The actors of %s are not running, so that nothing was done there.", doorCount(down)),
				Hint:    "The outputs are at rest and a restart is under way; /api/tree shows why. Try again in a moment.",
				Results: done.Results,
			})
		case !done.Saved:
			answer(w, http.StatusAccepted, commanded{done, a.warning(done.Results)})
		default:
			answer(w, http.StatusOK, commanded{done, a.warning(done.Results)})
		}
	}
}

// commanded is the answer to a command that was taken.
type commanded struct {
	actors.CommandReport
	Warning string `json:"warning,omitempty"`
}

// warning says where a command was taken and the lock does not follow.
func (a *API) warning(results []actors.CommandResult) string {
	told := map[access.DoorID]bool{}
	for _, r := range results {
		told[r.Door] = r.Accepted
	}
	var ids []string
	for _, s := range a.o.Building.Doors() {
		if told[s.ID] && faulty(s) {
			ids = append(ids, string(s.ID))
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return "The lock does not do as it is told at: " + strings.Join(ids, ", ") + "."
}

func refusal(why access.Reason, n int, results []actors.CommandResult) problem {
	p := problem{
		Code:    "refused",
		Message: fmt.Sprintf("Precedence refuses the command at %s: %v.", doorCount(n), why),
		Hint:    "Look at the door's mode.",
		Results: results,
	}
	switch why {
	case access.ReasonLockdown:
		p.Hint = "End the lockdown first, with normal."
	case access.ReasonFire:
		p.Hint = "Reset the fire input first: while it is active the doors stay released."
	}
	return p
}

func doorCount(n int) string {
	if n == 1 {
		return "the door"
	}
	return strconv.Itoa(n) + " doors"
}

func failCommand(w http.ResponseWriter, err error) {
	if errors.Is(err, actors.ErrUnknownDoor) {
		fail(w, http.StatusNotFound, problem{
			Code: "unknown_door", Message: clip(err.Error()) + ".", Hint: "/api/doors lists the doors.",
		})
		return
	}
	fail(w, http.StatusGatewayTimeout, problem{
		Code: "not_confirmed", Message: err.Error() + ".",
		Hint: "It may have been done or not: look at /api/doors before you try again.",
	})
}
