//go:build !unix

package gitview

import "os"

func setOwnerOfFolder(*os.Root, string) error { return nil }
