package worktree

import (
	"context"
	"crypto/sha1" //nolint:gosec // git's own hash of a repository that was made with it
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/docker-loom/docker-loom/internal/worktree/git"
)

// Commits returns the commits that the repository's refs and the HEADs of its work trees name.
func Commits(ctx context.Context, r *Repository) ([]string, error) {
	out, err := git.Run(ctx, r.dir(), "for-each-ref", "--format=%(objectname) %(*objectname)")
	if err != nil {
		return nil, err
	}
	trees, err := git.Run(ctx, r.dir(), "worktree", "list", "--porcelain", "-z")
	if err != nil {
		return nil, err
	}
	commits := strings.Fields(string(out))
	for line := range strings.SplitSeq(string(trees), "\x00") {
		if id, ok := strings.CutPrefix(line, "HEAD "); ok {
			commits = append(commits, id)
		}
	}
	return commits, nil
}

// HeadCommit is the commit that the work tree has checked out.
func HeadCommit(ctx context.Context, r *Repository) (string, error) {
	return commitIn(ctx, r.WorkTree, "HEAD")
}

// HeadMove is a line of the reflog of a work tree's HEAD.
type HeadMove struct {
	// Commit is where HEAD was afterwards.
	Commit string
	// Made reports that the commit came to be there: its content was that of the work tree or was merged into it. HEAD
	// that is only set to another commit makes none.
	Made bool
}

// makingCommands are the commands whose reflog messages say that a commit was made or merged in the work tree.
var makingCommands = map[string]bool{
	"commit": true, "merge": true, "pull": true, "clone": true, "cherry-pick": true, "revert": true, "am": true,
	"rebase": true,
}

// HeadMoves reads the reflog of HEAD of the work tree that has this git folder, the oldest line first. A
// work tree without a reflog has none.
func HeadMoves(gitDir string) ([]HeadMove, error) {
	text, err := os.ReadFile(filepath.Join(gitDir, "logs", "HEAD"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reflog: %w", err)
	}
	var moves []HeadMove
	for line := range strings.Lines(string(text)) {
		ids, message, _ := strings.Cut(line, "\t")
		fields := strings.Fields(ids)
		if len(fields) < 2 {
			continue
		}
		what, _, _ := strings.Cut(message, ":")
		command, _, _ := strings.Cut(what, " ")
		// A rebase starts at a commit that it only checks out.
		made := makingCommands[command] && !strings.HasSuffix(what, "(start)")
		moves = append(moves, HeadMove{fields[1], made})
	}
	return moves, nil
}

// HasContentOf reports whether the files of the work tree that git tracks are those of the commit. Files are hashed
// again and compared with the commit's name, because whoever writes the repository's objects can put others under
// their names: git does not look when it checks them out.
func HasContentOf(ctx context.Context, r *Repository, commit string) (bool, error) {
	// refs/replace names other objects to read in place of these.
	original := git.Invocation{Dir: r.WorkTree, Env: []string{"GIT_NO_REPLACE_OBJECTS=1"}}
	text, err := original.Run(ctx, "cat-file", "commit", commit)
	if err != nil {
		return false, err
	}
	tree, _, _ := strings.Cut(strings.TrimPrefix(string(text), "tree "), "\n")
	if objectName("commit", text, len(commit)) != commit {
		return false, nil
	}
	files, err := original.Run(ctx, "ls-files", "--stage", "-z")
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "docker-loom-index")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	// An index that knows neither the trees' names nor the files' times: git computes both.
	index := original
	index.Env = append(index.Env, "GIT_INDEX_FILE="+filepath.Join(dir, "index"))
	filling := index
	filling.Stdin = files
	if _, err := filling.Run(ctx, "update-index", "-z", "--index-info"); err != nil {
		return false, err
	}
	have, err := index.Run(ctx, "write-tree", "--missing-ok")
	if err != nil || strings.TrimSpace(string(have)) != tree {
		return false, ifNoAnswer(err)
	}
	_, err = index.Run(ctx, "-c", "core.ignoreStat=false", "update-index", "--really-refresh")
	return err == nil, ifNoAnswer(err)
}

// ifNoAnswer returns an error that does not come from git: git's own exit code is an answer.
func ifNoAnswer(err error) error {
	if _, ok := git.Said(err); ok {
		return nil
	}
	return err
}

// objectName is the name that git gives an object, of the length that the repository's names have.
func objectName(kind string, content []byte, length int) string {
	data := append([]byte(kind+" "+strconv.Itoa(len(content))+"\x00"), content...)
	if length == hex.EncodedLen(sha256.Size) {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:])
	}
	sum := sha1.Sum(data) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

var (
	requestRef   = regexp.MustCompile(`^refs/(?:pull|merge-requests)/(\d+)/`)
	requestHeads = regexp.MustCompile(
		`^refs/(?:remotes/[^/]+/(?:pr|mr|pull|merge-requests)|pull|merge-requests)/(\d+)(?:/|$)`)
)

// RequestOf returns the number of the pull or merge request whose head the work tree has, 0 for none that is known.
// The branch follows it, as gh pr checkout sets it up, or the commit is the head of a request that was fetched and is
// on no branch of a remote.
func RequestOf(ctx context.Context, r *Repository) (int, error) {
	if r.Branch != "" {
		// Its error says that the key is missing.
		out, err := git.Run(ctx, r.WorkTree, "config", "--get", "branch."+r.Branch+".merge")
		if m := requestRef.FindStringSubmatch(strings.TrimSpace(string(out))); err == nil && m != nil {
			return strconv.Atoi(m[1])
		}
	}
	refs := []string{"--format=%(refname)", "refs/remotes", "refs/pull", "refs/merge-requests"}
	out, err := git.Run(ctx, r.WorkTree, append([]string{"for-each-ref", "--points-at=HEAD"}, refs...)...)
	if err != nil {
		return 0, ifNoAnswer(err)
	}
	number := ""
	for name := range strings.Lines(string(out)) {
		if m := requestHeads.FindStringSubmatch(strings.TrimSpace(name)); m != nil {
			number = m[1]
		}
	}
	if number == "" {
		return 0, nil
	}
	if out, err = git.Run(ctx, r.WorkTree, append([]string{"for-each-ref", "--contains=HEAD"}, refs...)...); err != nil {
		return 0, err
	}
	for name := range strings.Lines(string(out)) {
		if !requestHeads.MatchString(strings.TrimSpace(name)) {
			return 0, nil
		}
	}
	return strconv.Atoi(number)
}
