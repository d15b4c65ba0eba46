package api

import (
	"context"

	"google.golang.org/grpc"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
)

// DefaultBundle is the resource name of the bundle that new generations get.
const DefaultBundle = "bundles/default"

// Bundles implements BundleService.
type Bundles struct {
	gatewayv1.UnimplementedBundleServiceServer
	served *gatewayv1.Bundle
}

// NewBundles returns the service for one bundle, which has a digest and a
// manifest.
func NewBundles(digest string, m *bundle.Manifest) *Bundles {
	limits := imaging.Limits{}.WithDefaults()
	return &Bundles{served: &gatewayv1.Bundle{
		Name:          DefaultBundle,
		Title:         m.Name,
		Version:       m.Version,
		Digest:        digest,
		License:       m.Licence,
		CommercialUse: m.CommercialUse,
		Prompts:       m.Prior != nil,
		Canvas: &gatewayv1.Canvas{
			DefaultSide: int32(m.Canvas.Default), MinSide: int32(m.Canvas.Min),
			MaxSide: int32(m.Canvas.Max), MultipleOf: int32(m.Canvas.MultipleOf),
		},
		DefaultSteps:         int32(m.Sampling.Steps),
		MaxSteps:             int32(m.Sampling.MaxSteps),
		DefaultGuidanceScale: m.Sampling.GuidanceScale,
		MaxGuidanceScale:     m.Sampling.MaxGuidanceScale,
		Limits: &gatewayv1.Limits{
			Subjects: maxSubjects, Photos: maxPhotos, Pictures: maxPictures, PromptCharacters: maxPrompt,
			PictureBytes: int64(limits.MaxBytes), PicturePixels: int64(limits.MaxPixels),
		},
	}}
}

// Register registers the service.
func (b *Bundles) Register(to grpc.ServiceRegistrar) { gatewayv1.RegisterBundleServiceServer(to, b) }

// GetBundle implements BundleService.
func (b *Bundles) GetBundle(_ context.Context, req *gatewayv1.GetBundleRequest) (*gatewayv1.Bundle, error) {
	if req.GetName() != DefaultBundle {
		return nil, BadName(req.GetName(), DefaultBundle)
	}
	return b.served, nil
}

// ListBundles implements BundleService: there is one bundle, on one page.
func (b *Bundles) ListBundles(_ context.Context, req *gatewayv1.ListBundlesRequest) (*gatewayv1.ListBundlesResponse, error) {
	if _, err := pageSize(req.GetPageSize()); err != nil {
		return nil, err
	}
	if req.GetPageToken() != "" {
		return nil, fault.InvalidField("page_token", "it is no token of this list, which has one page: leave it out")
	}
	return &gatewayv1.ListBundlesResponse{Bundles: []*gatewayv1.Bundle{b.served}}, nil
}
