package egress

import "slices"

// defaultHosts are the hosts that work on most projects needs. Several of them take uploads: this list alone does not
// keep an agent from carrying data out of the sandbox (docs/guide/sandbox.md).
var defaultHosts = []string{
	// Model APIs.
	"api.anthropic.com", "console.anthropic.com", "platform.claude.com", "claude.ai", "claude.com",
	"statsig.anthropic.com",
	"api.openai.com", "auth.openai.com", "chatgpt.com",
	"generativelanguage.googleapis.com", "cloudcode-pa.googleapis.com", "oauth2.googleapis.com",
	"openrouter.ai", "api.mistral.ai", "api.deepseek.com", "api.x.ai", "api.groq.com",
	// Git hosts.
	"github.com", "api.github.com", "codeload.github.com", "uploads.github.com",
	"raw.githubusercontent.com", "objects.githubusercontent.com", "release-assets.githubusercontent.com",
	"github-releases.githubusercontent.com", "github-cloud.githubusercontent.com", "media.githubusercontent.com",
	"gitlab.com", "bitbucket.org", "api.bitbucket.org", "codeberg.org", "git.sr.ht",
	// npm, yarn, Node, Deno, Bun.
	"registry.npmjs.org", "registry.yarnpkg.com", "repo.yarnpkg.com", "nodejs.org",
	"jsr.io", "npm.jsr.io", "deno.land", "bun.sh",
	// Python.
	"pypi.org", "files.pythonhosted.org", "conda.anaconda.org", "repo.anaconda.com", "astral.sh",
	// Go.
	"proxy.golang.org", "sum.golang.org", "go.dev", "dl.google.com", "golang.org",
	// Rust.
	"crates.io", "index.crates.io", "static.crates.io", "static.rust-lang.org", "sh.rustup.rs",
	// Ruby, PHP, Elixir, Perl, Haskell, Dart, R.
	"rubygems.org", "index.rubygems.org", "repo.packagist.org", "packagist.org", "getcomposer.org",
	"repo.hex.pm", "hex.pm", "builds.hex.pm", "cpan.metacpan.org", "www.cpan.org",
	"hackage.haskell.org", "downloads.haskell.org", "pub.dev", "cloud.r-project.org",
	// The JVM and .NET.
	"repo.maven.apache.org", "repo1.maven.org", "maven.google.com", "plugins.gradle.org", "services.gradle.org",
	"downloads.gradle.org", "api.adoptium.net", "api.foojay.io",
	"api.nuget.org", "www.nuget.org", "builds.dotnet.microsoft.com",
	// Packages of operating systems.
	"deb.debian.org", "security.debian.org", "archive.ubuntu.com", "security.ubuntu.com", "ports.ubuntu.com",
	"dl-cdn.alpinelinux.org", "mirrors.fedoraproject.org", "dl.fedoraproject.org", "cdn-ubi.redhat.com",
	"deb.nodesource.com", "apt.postgresql.org", "download.docker.com", "cli.github.com", "packages.microsoft.com",
	// Tool chains.
	"mise.jdx.dev", "mise-versions.jdx.dev", "mise.run",
}

// Defaults returns the rules that a policy starts with: model APIs, git hosts, package registries, mirrors of
// operating systems.
func Defaults() []string { return slices.Clone(defaultHosts) }
