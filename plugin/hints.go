package plugin

import (
	"errors"
	"fmt"

	"github.com/docker-loom/docker-loom/devcontainer"
	"github.com/docker-loom/docker-loom/devcontainer/features"
	"github.com/docker-loom/docker-loom/internal/engine"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/ports"
	"github.com/docker-loom/docker-loom/internal/registry"
	"github.com/docker-loom/docker-loom/internal/settings"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/internal/worktree"
	"github.com/docker-loom/docker-loom/plugin/command"
	"github.com/docker-loom/docker-loom/plugin/inside"
)

// hint is the one next step for an error, "" where there is none to give.
func hint(err error) string {
	var (
		unreachable *engine.Unreachable
		unknown     *loom.UnknownError
		several     *loom.SeveralError
		unfinished  *loom.UnfinishedError
		paused      *loom.PausedError
		empty       *loom.EmptyError
		web         *loom.WebError
		silent      *loom.SilentError
		unopened    command.BrowserError
		noPort      *loom.NoPortError
		held        *loom.HeldError
		disabled    *loom.DisabledError
		missing     *stack.MissingBaseError
		files       *stack.FilesError
		taken       *ports.TakenError
		damaged     *registry.DamagedError
		newer       *registry.NewerError
		set         *settings.Error
		data        *loom.SharedDataError
		orphan      *loom.OrphanError
		powers      *loom.PowersError
		branchTaken *worktree.BranchTakenError
		branchThere *worktree.BranchThereError
		folderTaken *worktree.FolderTakenError
		meanwhile   *loom.MeanwhileError
		folder      *loom.FolderTakenError
		configs     *devcontainer.SeveralError
		config      *devcontainer.Error
		neither     *loom.NeitherError
		noService   *loom.NoServiceError
		noCompose   *inside.NoComposeError
		usage       command.UsageError
		hasData     *loom.HasDataError
		noSpace     *loom.SpaceError
		install     *loom.FeatureError
		noImage     *loom.NoImageError
		way         *loom.EgressImageError
		imageStep   *loom.BuildStepError
		unmade      *loom.UnknownImageError
		imageUsed   *loom.ImageInUseError
		fetch       *features.FetchError
		digest      *features.DigestError
	)
	switch {
	case errors.As(err, &unreachable):
		return fmt.Sprintf("is Docker running, and is %s its address? docker context ls shows the others", unreachable.Host)
	case errors.As(err, &install):
		return "docker loom --progress plain up " + install.Loom + " shows all that it printed"
	case errors.As(err, &noImage):
		return fmt.Sprintf("docker pull %s brings it; docker loom image build NAME makes one", noImage.Ref)
	case errors.As(err, &way):
		return "set " + loom.EgressVariable + " to an image, for the engine's platform, whose entrypoint is docker-loom egress"
	case errors.As(err, &imageStep):
		return "the builder's last lines say why; with --progress plain it shows all that was printed"
	case errors.As(err, &unmade):
		return "docker loom image ls lists them; docker image rm removes others"
	case errors.As(err, &imageUsed):
		return "docker rm removes a container, docker loom down ID those of a loom"
	case errors.As(err, &fetch) && fetch.Offline:
		return "nobody answers there: is there a network? What was fetched once is kept and needs none"
	case errors.As(err, &digest):
		return "docker loom features lock writes down what is there now, if that is to be trusted"
	case errors.As(err, &orphan):
		return fmt.Sprintf("docker loom up %s --remove-orphans removes it", orphan.Loom)
	case errors.As(err, &folder):
		return "give this loom a work tree of its own: git worktree add, then docker loom up there"
	case errors.As(err, &configs):
		return "choose one with --config FILE, or for all with container.configPath in .iloom/settings.json"
	case errors.As(err, &config):
		return "correct the devcontainer.json"
	case errors.As(err, &powers):
		return fmt.Sprintf("look at what changed, then docker loom up %s --trust accepts it", powers.ID)
	case errors.As(err, &paused):
		return "docker loom unpause " + paused.Loom + " lets them go on"
	case errors.As(err, &unfinished):
		return left(unfinished)
	case errors.As(err, &unknown):
		return "docker loom ls lists the looms there are; docker loom up ID makes one"
	case errors.As(err, &noCompose):
		return "install it: the package is called docker-compose-plugin, or docker-compose"
	case errors.As(err, &neither):
		return "docker loom ls lists the looms, docker loom ps " + neither.Loom + " the services"
	case errors.As(err, &noService):
		return "docker loom ps " + noService.Loom + " lists the services"
	case errors.As(err, &several):
		return "name the one you mean"
	case errors.As(err, &empty):
		return "docker loom up " + empty.ID + " makes them"
	case errors.As(err, &web) && len(web.Ports) > 0:
		return "docker loom open " + web.Loom + " SERVICE, or PORT, says which"
	case errors.As(err, &web):
		return "docker loom ps " + web.Loom + " shows what runs"
	case errors.As(err, &silent):
		return fmt.Sprintf("docker loom logs %s %s shows what it is doing", silent.Loom, silent.Port.Service)
	case errors.As(err, &unopened):
		return "set BROWSER to a command that opens a URL; docker loom open --print only prints it"
	case errors.As(err, &noPort):
		return "say which port the program listens on: EXPOSE 3000 in the Dockerfile, or docker loom init --port WEB=3000, which writes it into .iloom/settings.json"
	case errors.As(err, &data):
		return "give this loom a work tree of its own: docker loom up ID --worktree"
	case errors.As(err, &branchTaken):
		return "choose another branch with --branch NAME"
	case errors.As(err, &branchThere):
		return "leave --from out to use it as it is, or choose another branch with --branch NAME"
	case errors.As(err, &folderTaken):
		return "choose another folder with --path DIR"
	case errors.As(err, &meanwhile):
		return "commit and push it, then docker loom rm again; or lose it with --force"
	case errors.Is(err, loom.ErrOtherTree):
		return "docker loom rm ends it with the loom; without --branch and --path it is used"
	case errors.As(err, &held):
		return "end what holds the port, or stop the loom and bring it up again: it then moves to other ports"
	case errors.As(err, &disabled):
		return "set container.enabled to true to use looms here"
	case errors.As(err, &missing):
		return fmt.Sprintf("docker loom init asks for it and writes it into .iloom/settings.json; or write a default, as in ${%s:-3000}", missing.Name)
	case errors.As(err, &files):
		return "correct the compose file; docker compose config checks it"
	case errors.As(err, &taken):
		return "end what holds it, or choose other ports with --offset N"
	case errors.As(err, &damaged):
		return "run the command again: looms that have containers or volumes are found by their labels"
	case errors.As(err, &newer):
		return "update docker loom"
	case errors.As(err, &set):
		return "correct the settings file"
	case errors.Is(err, stack.ErrNoProject):
		return "run docker loom where the project is, or name its files: docker loom --file FILE up"
	case errors.As(err, &hasData):
		return fmt.Sprintf("docker loom down %s --volumes ends it with its data; docker loom up %s --data-from %s then begins anew", hasData.Loom, hasData.Loom, hasData.From)
	case errors.As(err, &noSpace):
		return "docker system prune, or docker loom prune"
	case errors.As(err, &usage) && usage.Cmd != nil:
		return usage.Cmd.CommandPath() + " --help"
	}
	return execHint(err)
}

func left(e *loom.UnfinishedError) string {
	if e.Left == 0 {
		return fmt.Sprintf("nothing runs; docker loom up %s tries again", e.ID)
	}
	return fmt.Sprintf("%d container(s) are left; docker loom up %s continues, docker loom down %s removes them", e.Left, e.ID, e.ID)
}
