package api

import (
	"context"

	"google.golang.org/grpc"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/bundle"
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
	}}
}

// Register registers the service.
func (b *Bundles) Register(to grpc.ServiceRegistrar) { gatewayv1.RegisterBundleServiceServer(to, b) }

// GetBundle implements BundleService.
func (b *Bundles) GetBundle(_ context.Context, req *gatewayv1.GetBundleRequest) (*gatewayv1.Bundle, error) {
	if req.GetName() != DefaultBundle {
		return nil, badName(req.GetName(), DefaultBundle)
	}
	return b.served, nil
}
