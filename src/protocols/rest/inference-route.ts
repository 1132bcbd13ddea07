/** Which exchange answers a path, for the lane: it has no router, and only these paths are hot. */
import { inferTarget } from '../oip/infer-url.ts';
import { bodyFormatOf } from './body-format.ts';
import type { RestContext } from './context.ts';
import type { LaneRoute } from './http1/lane-connection.ts';
import { OipExchange } from './oip-exchange.ts';
import { PredictExchange } from './predict-exchange.ts';
import { predictTargetOf } from './predict-routes.ts';

/** `path` has neither escapes nor a query. Undefined: the path is the router's. */
export function inferenceRouteOf(context: RestContext, path: string): LaneRoute | undefined {
  const predict = predictTargetOf(path);
  if (predict !== undefined) {
    return {
      maxBytesOf: (contentType) => context.limitsOf(bodyFormatOf(contentType)).maxBytes,
      start: (wire) => new PredictExchange(context, wire, predict).start(),
    };
  }
  const infer = inferTarget(path);
  if (infer === undefined) return undefined;
  return {
    maxBytesOf: () => context.limitsOf('raw').maxBytes,
    start: (wire) => new OipExchange(context, wire, infer).start(),
  };
}
