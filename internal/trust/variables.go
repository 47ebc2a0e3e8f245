package trust

import (
	"slices"
	"strings"
)

// harmless are variables that say nothing about the user that is worth keeping. Compose's own are its command line in
// another form.
var harmless = []string{
	"HOME", "USER", "LOGNAME", "UID", "GID", "PWD", "SHELL", "LANG", "TERM", "HOSTNAME",
	"COMPOSE_ANSI", "COMPOSE_BAKE", "COMPOSE_COMPATIBILITY", "COMPOSE_CONVERT_WINDOWS_PATHS", "COMPOSE_DISABLE_ENV_FILE",
	"COMPOSE_ENV_FILES", "COMPOSE_EXPERIMENTAL", "COMPOSE_FILE", "COMPOSE_IGNORE_ORPHANS", "COMPOSE_MENU",
	"COMPOSE_PARALLEL_LIMIT", "COMPOSE_PATH_SEPARATOR", "COMPOSE_PROFILES", "COMPOSE_PROGRESS", "COMPOSE_PROJECT_NAME",
	"COMPOSE_REMOVE_ORPHANS", "COMPOSE_STATUS_STDOUT", "DOCKER_DEFAULT_PLATFORM",
}

// needed are variables that docker, buildx, git and the helpers of their credentials work by. Files that others write
// cannot name them: Compose looks variables up in what it is given.
var needed = []string{
	"PATH", "TMPDIR", "TZ", "EDITOR", "VISUAL", "PAGER", "BROWSER", "NO_COLOR", "COLORTERM", "COLUMNS", "LINES",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS", "DOCKER_TLS_VERIFY",
	"DOCKER_API_VERSION", "DOCKER_BUILDKIT", "DOCKER_CUSTOM_HEADERS", "DOCKER_CLI_HINTS", "BUILDKIT_PROGRESS",
	"BUILDKIT_COLORS", "BUILDKIT_HOST", "BUILDX_BUILDER", "BUILDX_CONFIG", "BUILDX_NO_DEFAULT_ATTESTATIONS",
	"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
	"CLOUDSDK_CONFIG", "GOOGLE_APPLICATION_CREDENTIALS", "GNUPGHOME", "PASSWORD_STORE_DIR", "DBUS_SESSION_BUS_ADDRESS",
	"DISPLAY", "WAYLAND_DISPLAY", "SYSTEMROOT", "SystemRoot", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "PROGRAMDATA",
	"ProgramData", "ProgramFiles", "PATHEXT", "COMSPEC", "ComSpec", "TEMP", "TMP", "USERNAME", "USERDOMAIN",
	"HOMEDRIVE", "HOMEPATH",
}

// IsHarmlessVariable reports whether files that others write may have a variable of the user's without a question.
func IsHarmlessVariable(name string) bool {
	return slices.Contains(harmless, name) || strings.HasPrefix(name, "ILOOM_")
}

// IsNeededVariable reports whether the programs that docker loom starts work by a variable.
func IsNeededVariable(name string) bool {
	return IsHarmlessVariable(name) || slices.Contains(needed, name) ||
		strings.HasPrefix(name, "XDG_") || strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "GIT_") ||
		strings.HasPrefix(name, "OTEL_")
}
