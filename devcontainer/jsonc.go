package devcontainer

import "github.com/docker-loom/docker-loom/internal/jsonc"

// Error is what is wrong with a devcontainer.json, or with metadata.
type Error = jsonc.Error
