/** Answering: stored at once with a hold of five seconds, in which it can be taken back. */
import { api, data, type Schemas } from "../../api/client";
import type { Values } from "../../lib/review";

export const HOLD_S = 5;

export type Given =
  | { verdict: "approve"; reason?: string | undefined }
  | { verdict: "reject"; reason: string }
  | { verdict: "amend"; values: Values; reason?: string | undefined };

/** Answer a review. It is durable when this resolves, and takes effect after the hold, whatever becomes of this page. */
export function answer(review: Pick<Schemas["Review"], "id" | "revision">, given: Given): Promise<Schemas["Review"]> {
  const params = { path: { review_id: review.id } };
  const held = { hold_s: HOLD_S };
  if (given.verdict === "reject") {
    return data(api.POST("/v1/reviews/{review_id}:reject", { params, body: { ...held, reason: given.reason } }));
  }
  const standing = { ...held, reason: given.reason ?? null, revision: review.revision };
  if (given.verdict === "amend") {
    return data(api.POST("/v1/reviews/{review_id}:amend", { params, body: { ...standing, values: given.values } }));
  }
  return data(api.POST("/v1/reviews/{review_id}:approve", { params, body: standing }));
}

export function takeBack(reviewId: string): Promise<Schemas["Review"]> {
  return data(api.POST("/v1/reviews/{review_id}:revoke", { params: { path: { review_id: reviewId } } }));
}
