package loom

import (
	"github.com/docker-loom/docker-loom/internal/find"
	"github.com/docker-loom/docker-loom/internal/identity"
)

// Main is the id of the main checkout's loom: what docker compose up would make.
const Main = identity.Main

// IDError says that what the user typed is not an id.
type IDError = identity.IDError

// ParseID normalises what the user typed, see [identity.ParseID].
func ParseID(typed string) (string, error) { return identity.ParseID(typed) }

// Target is the loom that a command acts on.
type Target = find.Target

// Where says which loom is meant, see [find.Where].
type Where = find.Where

// Query says which loom a command means, see [find.Query].
type Query = find.Query

// UnknownError says that no loom has this id.
type UnknownError = find.UnknownError

// UnknownProjectError says that a loom has no project in a folder.
type UnknownProjectError = find.UnknownProjectError

// What a command wants of the loom it looks for, see [find.Purpose].
const (
	Making   = find.Making
	Reading  = find.Reading
	Ending   = find.Ending
	Removing = find.Removing
)
