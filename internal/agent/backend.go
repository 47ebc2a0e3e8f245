package agent

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/docker-loom/docker-loom/internal/agent/record"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/finding"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// backend is what all sandboxes of a command work with.
type backend struct {
	looms  *loom.Looms
	engine *engine.Engine
}

// checkEngine returns an error if the engine does not answer or is on another machine.
func (b backend) checkEngine(ctx context.Context) error {
	if err := b.engine.Check(ctx); err != nil {
		return err
	}
	if !b.engine.Local() {
		return &RemoteSandboxError{b.engine.Host()}
	}
	return nil
}

// tellFindings tells what is more than information.
func (b backend) tellFindings(list []finding.Finding) {
	for _, f := range list {
		if f.Level != finding.Info {
			b.sayf("%s", f.String())
		}
	}
}

func (b backend) sayf(format string, args ...any)   { b.looms.Teller.Sayf(format, args...) }
func (b backend) warnf(format string, args ...any)  { b.looms.Teller.Warnf(format, args...) }
func (b backend) debugf(format string, args ...any) { b.looms.Teller.Debugf(format, args...) }
func (b backend) getenv(name string) string         { return b.looms.Process.Getenv(name) }
func (b backend) images() *image.Store              { return b.looms.Images() }

// vaults is the folder of the user's vaults.
func (b backend) vaults() string { return filepath.Join(filepath.Dir(b.looms.UserSettings), "vaults") }

// records is the folder in which sandboxes keep what they are made with.
func (b backend) records() record.Store { return record.NewStore(b.looms.Registry.Path()) }

// asRoot is a container that runs a command of our own program on files as root, without a network.
func asRoot(image string, words ...string) engine.Once {
	return engine.Once{
		Image: image, User: "0:0", Network: "none", CapAdd: []string{"CHOWN", "DAC_OVERRIDE", "FOWNER"},
		Cmd: append([]string{sandbox.Program, "egress"}, words...),
	}
}

// runOnce runs a container to its end. What it wrote to stderr is the error if it failed.
func (b backend) runOnce(ctx context.Context, once engine.Once) error {
	_, why, code, err := b.engine.RunOnce(ctx, once)
	if err == nil && code != 0 {
		err = errors.New(string(why))
	}
	return err
}
