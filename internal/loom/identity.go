package loom

import "github.com/docker-loom/docker-loom/internal/identity"

// Main is the id of the main checkout's loom: what docker compose up would make.
const Main = identity.Main

// IDError says that what the user typed is not an id.
type IDError = identity.IDError

// ParseID normalises what the user typed, see [identity.ParseID].
func ParseID(typed string) (string, error) { return identity.ParseID(typed) }
