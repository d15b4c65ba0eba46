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

replace github.com/facestudio/facestudio/services => ../services

replace github.com/facestudio/facestudio/encoder-svc => ../encoder-svc

replace github.com/facestudio/facestudio/prior-svc => ../prior-svc

replace github.com/facestudio/facestudio/segmenter-svc => ../segmenter-svc

replace github.com/facestudio/facestudio/denoiser-svc => ../denoiser-svc

replace github.com/facestudio/facestudio/gateway => ../gateway
