package plugin

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/docker-loom/docker-loom/internal/loom"
)

// hookOptions completes the request by what up says of lifecycle hooks. What they print is progress: shown unless that is not
// wanted, or is JSON.
func (env *environment) hookOptions(req *loom.UpRequest, o upOptions) error {
	req.SkipHooks = o.skipHooks
	if !o.create.quiet && env.progress != "quiet" && env.progress != "json" {
		req.HookOutput = env.docker.Err()
	}
	if o.secretsFile == "" {
		return nil
	}
	data, err := os.ReadFile(o.secretsFile)
	if err != nil {
		return fmt.Errorf("--secrets-file: %w", err)
	}
	if err := json.Unmarshal(data, &req.HookSecrets); err != nil {
		// Nothing of the file: it may be the secret.
		return fmt.Errorf("--secrets-file %s: it is no JSON object of strings", o.secretsFile)
	}
	return nil
}
