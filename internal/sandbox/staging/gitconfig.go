package staging

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/docker-loom/docker-loom/internal/gitfile"
	"github.com/docker-loom/docker-loom/internal/sandbox"
)

// sshRefusal is what git prints in place of ssh.
const sshRefusal = "docker loom: ssh does not leave the sandbox. " +
	"Use the repository's https address, with its host allowed (docker loom agent allow --help)"

// sshCommand runs ssh if there is a configuration for it: a ProxyCommand in a vault's file is the only way out.
const sshCommand = `f() { test -e ~/.ssh/config && exec ssh "$@"; echo "` + sshRefusal + `" >&2; exit 255; }; f`

// credentialHelper only reads: the helper store would also write the file.
const credentialHelper = `!f() { test "$1" != get || git credential-store --file=` + gitCredentials + ` get; }; f`

// writeGitConfig writes the image's own system configuration with what the agent's git needs. The repository's own
// configuration overrides it.
func (w *writer) writeGitConfig() error {
	var b bytes.Buffer
	b.Write(w.GitConfig)
	if n := b.Len(); n > 0 && w.GitConfig[n-1] != '\n' {
		b.WriteByte('\n')
	}
	b.WriteString("# docker loom: below is what the sandbox adds\n")
	// The files are not the agent's own, and no other user is here whose repository git could be tricked into using.
	b.WriteString("[safe]\n\tdirectory = *\n")
	b.WriteString(gitfile.UserSection(w.UserName, w.UserEmail))
	// It would lock the repository for the user, and has not the rights for all of it.
	// git gc fails at the reflogs of other work trees, which are read-only.
	b.WriteString("[gc]\n\tauto = 0\n\treflogExpire = never\n\treflogExpireUnreachable = never\n")
	b.WriteString("[maintenance]\n\tauto = false\n")
	// git would write a new branch's upstream into the repository's configuration, and a push would ask for it.
	b.WriteString("[branch]\n\tautoSetupMerge = false\n[push]\n\tdefault = current\n")
	if w.wanted[path.Join(homeFolder, strings.TrimPrefix(gitCredentials, sandbox.Home+"/"))] {
		b.WriteString("[credential]\n\thelper = " + gitfile.QuoteValue(credentialHelper) + "\n")
	}
	b.WriteString("[core]\n\tsshCommand = " + gitfile.QuoteValue(sshCommand) + "\n[ssh]\n\tvariant = ssh\n")
	for _, host := range slices.Compact(slices.Sorted(slices.Values(w.GitHosts))) {
		fmt.Fprintf(&b, "[url %s]\n\tinsteadOf = %s\n\tinsteadOf = %s\n",
			gitfile.QuoteValue("https://"+host+"/"), gitfile.QuoteValue("git@"+host+":"),
			gitfile.QuoteValue("ssh://git@"+host+"/"))
	}
	return w.addFile("gitconfig", "/etc/gitconfig", b.Bytes(), 0o644)
}
