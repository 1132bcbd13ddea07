/** The order of roles, and which models a caller may ask. Pure; used by the guard and by the edges. */
import type { Caller, Role, RouteRole } from '../../ports/access.ts';
import { matchesPattern } from '../name-pattern.ts';

/** Each may what the ones before it may. */
export const roles: readonly Role[] = ['predict', 'operate', 'admin'];

const rank: Readonly<Record<RouteRole, number>> = { public: 0, predict: 1, operate: 2, admin: 3 };

export function isRole(value: unknown): value is Role {
  return value === 'predict' || value === 'operate' || value === 'admin';
}

export function mayAct(has: Role, wanted: RouteRole): boolean {
  return rank[has] >= rank[wanted];
}

export function lesserRole(one: Role, other: Role): Role {
  return rank[one] <= rank[other] ? one : other;
}

/** Whether the caller's scope holds this model, by its canonical name. */
export function mayAsk({ models }: Pick<Caller, 'models'>, model: string): boolean {
  if (models === undefined) return true;
  for (const pattern of models) {
    if (matchesPattern(pattern, model)) return true;
  }
  return false;
}
