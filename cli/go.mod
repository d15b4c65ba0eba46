module github.com/facestudio/facestudio/cli

go 1.26.0

replace github.com/facestudio/facestudio/proto => ../proto

require (
	github.com/facestudio/facestudio/denoiser-svc v0.0.0
	github.com/facestudio/facestudio/encoder-svc v0.0.0
	github.com/facestudio/facestudio/gateway v0.0.0
	github.com/facestudio/facestudio/prior-svc v0.0.0
	github.com/facestudio/facestudio/proto v0.0.0
	github.com/facestudio/facestudio/segmenter-svc v0.0.0
	github.com/facestudio/facestudio/services v0.0.0
)

require (
	github.com/google/uuid v1.6.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/nats-io/nats.go v1.55.0 // indirect
	github.com/nats-io/nkeys v0.4.17 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/schollz/progressbar/v3 v3.19.1 // indirect
	github.com/spf13/cobra v1.10.2 // indirect
	github.com/spf13/pflag v1.1.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/image v0.47.0 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/term v0.47.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260928230214-8a89bd6388cc // indirect
	google.golang.org/grpc v1.85.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/facestudio/facestudio/services => ../services

replace github.com/facestudio/facestudio/encoder-svc => ../encoder-svc

replace github.com/facestudio/facestudio/prior-svc => ../prior-svc

replace github.com/facestudio/facestudio/segmenter-svc => ../segmenter-svc

replace github.com/facestudio/facestudio/denoiser-svc => ../denoiser-svc

replace github.com/facestudio/facestudio/gateway => ../gateway
