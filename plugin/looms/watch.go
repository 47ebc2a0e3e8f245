package looms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/cli/cli/command/formatter"
	"github.com/docker/go-units"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/idle"
	"github.com/docker-loom/docker-loom/internal/inventory"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/output"
)

// watchInterval is how often ls --watch looks.
const watchInterval = 2 * time.Second

func runWatch(ctx context.Context, env *command.Environment, format string) error {
	l, err := env.Looms()
	if err != nil {
		return err
	}
	// To look at looms does not count as use of them.
	l.InUse.Unnoticed = true
	if env.Docker.Out().IsTerminal() && (format == "" || format == formatter.TableFormatKey) {
		return watchScreen(ctx, env, l)
	}
	return watchChanges(ctx, env, l, format)
}

// watchScreen renews the table in place. An engine that goes away may come back: until then the table says so.
func watchScreen(ctx context.Context, env *command.Environment, l *loom.Looms) error {
	screen := output.NewScreen(env.Docker.Out())
	meter := l.Engine.Meter()
	for first := true; ; first = false {
		list, err := inventory.List(ctx, l, command.Folder())
		var unreachable *engine.Unreachable
		if err != nil && (first || !errors.As(err, &unreachable)) {
			return err
		}
		var used []inventory.Usage
		if err == nil {
			if used, err = inventory.ReadUsage(ctx, l, meter, inventory.Scope{}); err != nil && ctx.Err() != nil {
				return ctx.Err()
			}
		}
		text := watchTable(list, used, screen.Width(), time.Now())
		if err != nil {
			text += firstLine(err) + "\n"
		}
		screen.Show(text)
		wait := watchInterval
		if first {
			// The share of CPU is known at the second reading.
			wait = 500 * time.Millisecond
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// watchChanges prints the list at once and whenever it has changed.
func watchChanges(ctx context.Context, env *command.Environment, l *loom.Looms, format string) error {
	var shown []inventory.Listed
	for first := true; ; first = false {
		list, err := inventory.List(ctx, l, command.Folder())
		var unreachable *engine.Unreachable
		if err != nil && (first || !errors.As(err, &unreachable)) {
			return err
		}
		if err == nil && wantsActivity(format) {
			if err := idle.Observe(ctx, l, list); err != nil {
				return err
			}
		}
		if known := steady(list); first || !reflect.DeepEqual(known, shown) {
			if err := tellChange(env.Docker.Out(), format, list, first); err != nil {
				return err
			}
			if err != nil {
				fmt.Fprintln(env.Docker.Err(), "warning: "+firstLine(err))
			}
			shown = known
		}
		if err := pause(ctx, watchInterval); err != nil {
			return err
		}
	}
}

// steady leaves out what changes while a loom is used.
func steady(list []inventory.Listed) []inventory.Listed {
	list = slices.Clone(list)
	for i := range list {
		list[i].LastActivity = nil
	}
	return list
}

func tellChange(w io.Writer, format string, list []inventory.Listed, first bool) error {
	if format == formatter.JSONFormatKey {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(list)
	}
	if !first {
		fmt.Fprintln(w)
	}
	return listContext(w, format, list)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// watchTable is the table of ls --watch, which fits the width.
func watchTable(list []inventory.Listed, used []inventory.Usage, width int, now time.Time) string {
	rows := [][]string{{"LOOM", "STATE", "HEALTH", "CPU %", "MEMORY", "AGE"}}
	for _, l := range list {
		cpu, memory := load(used, l)
		rows = append(rows, []string{
			l.Name(), shortState(l), output.OrDashes(l.Health), cpu, memory, age(l.Created, now),
		})
	}
	return fitTable(rows, list, fitOptions{width: width})
}

// shortState is the state, with a mark where stop --idle leaves the loom alone.
func shortState(l inventory.Listed) string {
	if l.Held {
		return l.State + "*"
	}
	return l.State
}

// load sums up what the containers of a loom use.
func load(used []inventory.Usage, l inventory.Listed) (cpu, memory string) {
	var share float64
	var bytes uint64
	known, any := false, false
	for _, u := range used {
		if u.Loom != l.ID || u.Repository != l.Repository {
			continue
		}
		any = true
		bytes += u.Memory
		if u.CPU != nil {
			known = true
			share += *u.CPU
		}
	}
	cpu, memory = "--", "--"
	if known {
		cpu = fmt.Sprintf("%.1f", share)
	}
	if any {
		memory = units.CustomSize("%.4g%s", float64(bytes), 1024, []string{"B", "KiB", "MiB", "GiB", "TiB"})
	}
	return cpu, memory
}

// age is how long ago the loom was made, in at most four columns.
func age(created, now time.Time) string {
	if created.IsZero() {
		return "--"
	}
	switch d := now.Sub(created); {
	case d < time.Minute:
		return strconv.Itoa(max(int(d.Seconds()), 0)) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	default:
		return strconv.Itoa(int(d.Hours()/24)) + "d"
	}
}
