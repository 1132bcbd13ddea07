/** The names of the services this server has. */
export const services = {
  inference: 'inference.GRPCInferenceService',
  health: 'grpc.health.v1.Health',
  reflection: 'grpc.reflection.v1.ServerReflection',
  reflectionAlpha: 'grpc.reflection.v1alpha.ServerReflection',
} as const;
