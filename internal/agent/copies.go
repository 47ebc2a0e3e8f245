package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config"

	"github.com/docker-loom/docker-loom/internal/agent/account"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/sandbox/egress"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
	"github.com/docker-loom/docker-loom/internal/sandbox/staging"
	"github.com/docker-loom/docker-loom/internal/worktree"
)

// copyFromHost writes the copies of the host's files that the sandbox gets, and gives the agent rights to the work
// tree if it has a user of its own.
func (d *draft) copyFromHost(ctx context.Context) error {
	var err error
	if d.spec.Git != nil {
		err = gitview.Prepare(d.spec.WorkTree, d.spec.Git)
	} else {
		err = gitview.PrepareSettingsFolder(d.spec.WorkTree)
	}
	if err != nil {
		return err
	}
	if err := d.grantWorkTree(ctx); err != nil {
		return err
	}
	if err := d.stageCopies(ctx, d.spec.State); err != nil {
		return err
	}
	if d.spec.Vault != "" {
		d.sources = append(d.sources, filepath.Join(d.vaults(), d.spec.Vault))
	}
	for _, preset := range d.spec.Credentials {
		for _, path := range credentialFiles[preset] {
			d.sources = append(d.sources, filepath.Join(d.looms.Process.Home, path))
		}
	}
	return nil
}

// stageForLook writes the copies for a look into a folder that is removed again. The spec says where they would be.
func (d *draft) stageForLook(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "docker-loom-access-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if d.spec.ImageID == "" {
		// The image is not built yet, and has nothing to say on files.
		d.spec.ImageID = d.spec.EgressImage
	}
	me := d.looms.Process
	d.user = account.Account{UID: d.spec.UID, GID: d.spec.GID, HostUID: me.UID, HostGID: me.GID}
	if err := d.stageCopies(ctx, dir); err != nil {
		return err
	}
	for i, f := range d.spec.Files {
		if rel, err := filepath.Rel(dir, f.Source); err == nil {
			d.spec.Files[i].Source = filepath.Join(d.spec.State, rel)
		}
	}
	return nil
}

// errNoHome says that files of the home folder cannot be found.
var errNoHome = errors.New("the user's home folder is not known")

// stageCopies checks the mounts and writes the copies into a folder.
func (d *draft) stageCopies(ctx context.Context, dir string) error {
	spec, me := &d.spec, d.looms.Process
	if me.Home == "" {
		return errNoHome
	}
	if err := d.checkMounts(); err != nil {
		return err
	}
	var files image.UserFiles
	if spec.ImageID != spec.EgressImage {
		var err error
		if files, err = d.images().UserFiles(ctx, spec.ImageID); err != nil {
			return err
		}
	}
	name, email := worktree.User(ctx, d.target.Repository)
	// Only root can give files away. Others let the agent read theirs.
	owner := d.user
	if me.UID > 0 && me.UID != owner.HostUID {
		owner.HostUID, owner.HostGID = me.UID, me.GID
	}
	staged, err := staging.Write(staging.Request{
		State: dir, Home: me.Home, Vaults: d.vaults(), Vault: spec.Vault, Credentials: spec.Credentials,
		UID: owner.HostUID, GID: owner.HostGID, InnerUID: spec.UID, InnerGID: spec.GID,
		Passwd: files.Passwd, Group: files.Group, GitConfig: files.GitConfig,
		UserName: name, UserEmail: email, GitHosts: gitHosts(spec.Egress, spec.Allow),
	})
	if err != nil {
		return err
	}
	spec.Files, spec.Env = staged.Files, staged.Env
	if owner != d.user {
		var rights []acl.Right
		for _, f := range staged.Files {
			rights = append(rights, acl.Right{Path: f.Source, Write: f.Writable})
		}
		if _, err := acl.Grant(rights, d.user.HostUID); err != nil {
			return err
		}
	}
	d.tellFindings(staged.Findings)
	return nil
}

// checkMounts checks the mounts of the settings.
func (d *draft) checkMounts() error {
	home := d.looms.Process.Home
	mounts := make([]sandbox.Mount, 0, len(d.wanted.Mounts))
	for _, m := range d.wanted.Mounts {
		target := cmp.Or(m.Target, expandHome(m.Source, home))
		mounts = append(mounts, sandbox.Mount{Source: m.Source, Target: target, ReadOnly: m.ReadOnly})
	}
	closed := []string{config.Dir(), filepath.Dir(d.looms.UserSettings)}
	if socket := d.engine.SocketPath(); socket != "" {
		closed = append(closed, socket)
	}
	machine := sandbox.Host{Home: home, WorkTree: d.spec.WorkTree, Closed: closed}
	mounted, findings, err := sandbox.CheckMounts(mounts, machine)
	if err != nil {
		return fmt.Errorf("container.agent.mounts: %w", err)
	}
	d.spec.Mounts = mounted
	d.tellFindings(findings)
	return nil
}

// credentialFiles are the files of the home folder that a preset copies. If they change, so do the copies.
var credentialFiles = map[string][]string{
	"claude": {".claude/.credentials.json", ".claude.json"},
	"git":    {".git-credentials", ".config/git/credentials"},
	"gh":     {".config/gh/hosts.yml"},
	"npm":    {".npmrc"},
}

func expandHome(path, home string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return path
}

// gitHosts are the known git hosts that the agent reaches: git@ addresses of these go over https.
func gitHosts(mode egress.Mode, allow []string) []string {
	var hosts []string
	for _, name := range []string{"github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "git.sr.ht"} {
		ok := mode == egress.Open
		for _, text := range allow {
			rule, err := egress.ParseRule(text)
			ok = ok || mode == egress.Restricted && err == nil && rule.Matches(egress.Host{Name: name}, 443)
		}
		if ok {
			hosts = append(hosts, name)
		}
	}
	return hosts
}
