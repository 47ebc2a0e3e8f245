package agent

import (
	"context"
	"os"
	"slices"
	"strconv"

	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/host"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	"github.com/docker-loom/docker-loom/internal/sandbox/acl"
	"github.com/docker-loom/docker-loom/internal/sandbox/gitview"
)

// grantWorkTree gives a user that does not own the work tree the rights to it that a sandbox needs.
func (d *draft) grantWorkTree(ctx context.Context) error {
	info, err := os.Stat(d.spec.WorkTree)
	if err != nil || !acl.NeedsGrant(info, d.user.HostUID) {
		return err
	}
	release, err := d.looms.Registry.LockRights(ctx, d.target.Repository)
	if err != nil {
		return err
	}
	defer release()
	if err := d.noteGrant(); err != nil {
		return err
	}
	n, err := acl.Grant(d.spec.Rights(), d.user.HostUID)
	d.debugf("rights for user %d: %d files and folders changed", d.user.HostUID, n)
	return err
}

// noteGrant notes who is given rights before that happens: a sibling that ends meanwhile must leave them.
func (d *draft) noteGrant() error {
	state, _ := d.records().Read(d.spec.Project, d.spec.Agent)
	if state.GrantedUID == d.user.HostUID {
		return nil
	}
	state.GrantedUID = d.user.HostUID
	return d.records().Write(d.spec.Project, d.spec.Agent, state)
}

// revokeRights takes the rights of the sandboxes' users to a work tree and its git folders away. What siblings need of
// them stays. The rights of the repository must be locked.
func (co *Companion) revokeRights(ctx context.Context, t *loom.Target) error {
	users, err := co.records().GrantedUIDs(t.Known.Project)
	if err != nil || len(users) == 0 {
		return err
	}
	tree := host.RealPath(t.Known.WorkTree)
	git, err := gitOf(t)
	if err != nil {
		return err
	}
	for _, uid := range users {
		siblings, err := co.siblingTrees(ctx, t, uid)
		if err != nil {
			return err
		}
		if err := co.giveFilesToOwner(ctx, tree, git); err != nil {
			return err
		}
		revoked, reduced := sandbox.RightsAtEnd(tree, git, siblings)
		if _, err := acl.Revoke(revoked, uid); err != nil {
			return err
		}
		if _, err := acl.Grant(reduced, uid); err != nil {
			return err
		}
	}
	return nil
}

// siblingTrees are the work trees of the repository's other looms whose agents are the same user of this machine.
func (co *Companion) siblingTrees(ctx context.Context, t *loom.Target, uid int) ([]string, error) {
	state, err := co.looms.Registry.Read(ctx)
	if err != nil {
		return nil, err
	}
	var trees []string
	for _, k := range state.Looms {
		if k.Repository != t.Repository || k.ID == t.ID {
			continue
		}
		users, err := co.records().GrantedUIDs(k.Project)
		if err != nil {
			return nil, err
		}
		if slices.Contains(users, uid) {
			trees = append(trees, host.RealPath(k.WorkTree))
		}
	}
	return trees, nil
}

// giveFilesToOwner gives the files that sandboxes made in a work tree to its owner if the engine is rootless. There
// the owner is root of the containers, and nobody else can do it.
func (co *Companion) giveFilesToOwner(ctx context.Context, workTree string, git *gitview.Repository) error {
	info, err := co.engine.Capabilities(ctx)
	if err != nil || !info.Confines.Rootless {
		return err
	}
	image, err := co.images().EnsureEgress(ctx)
	if err != nil {
		return err
	}
	paths := []string{workTree}
	if git != nil {
		paths = append(paths, git.Writable()...)
	}
	once := asRoot(image, append([]string{"give", strconv.Itoa(sandbox.FixedID), "0:0"}, paths...)...)
	for _, p := range paths {
		once.Mounts = append(once.Mounts, engine.Mount{Volume: p, Target: p})
	}
	return co.runOnce(ctx, once)
}
