package looms

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/plugin/command"
)

// hookOptions completes the request by what up says of lifecycle hooks. What they print is progress: shown unless that
// is not wanted, or is JSON.
func hookOptions(env *command.Environment, req *loom.UpRequest, o upOptions) error {
	req.Hooks.Skip = o.skipHooks
	if !o.create.quiet && env.Progress != "quiet" && env.Progress != "json" {
		req.Hooks.Output = env.Docker.Err()
	}
	if o.secretsFile == "" {
		return nil
	}
	data, err := os.ReadFile(o.secretsFile)
	if err != nil {
		return fmt.Errorf("--secrets-file: %w", err)
	}
	if err := json.Unmarshal(data, &req.Hooks.Secrets); err != nil {
		// Nothing of the file: it may be the secret.
		return fmt.Errorf("--secrets-file %s must be a JSON object of strings", o.secretsFile)
	}
	return nil
}
