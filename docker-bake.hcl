variable "VERSION" {
  default = "dev"
}

# Any image with the Go toolchain that go.mod asks for.
variable "GO_IMAGE" {
  default = "golang:1.26"
}

variable "IMAGE" {
  default = "docker-loom"
}

group "default" {
  targets = ["cross"]
}

target "_common" {
  args = {
    VERSION  = VERSION
    GO_IMAGE = GO_IMAGE
  }
}

# dist/docker-loom-OS-ARCH. One target a platform, because the default builder makes only single-platform results.
target "cross" {
  inherits = ["_common"]
  name     = "cross-${os}-${arch}"
  matrix = {
    os   = ["linux", "darwin", "windows"]
    arch = ["amd64", "arm64"]
  }
  target    = "binary"
  platforms = ["${os}/${arch}"]
  output    = ["type=local,dest=dist"]
}

# A small image with the binary, for the builder's own platform.
target "image" {
  inherits = ["_common"]
  target   = "image"
  tags     = ["${IMAGE}:${VERSION}"]
}

# The same for both Linux platforms; needs a builder that can make multi-platform images.
target "image-cross" {
  inherits  = ["image"]
  platforms = ["linux/amd64", "linux/arm64"]
}
