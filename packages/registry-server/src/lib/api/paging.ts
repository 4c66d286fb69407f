import type { PageRequest } from "../records.ts";
import { baseUrl, type RouteContext, type Services } from "./context.ts";

/** One page as the API tells it, with the `Link` header set (RFC 8288). */
export function pageBody<Item>(
  services: Services,
  context: RouteContext,
  request: PageRequest,
  page: { readonly items: readonly Item[]; readonly total: number },
): { items: Item[]; page: number; per_page: number; total: number } {
  const last = Math.max(1, Math.ceil(page.total / request.perPage));
  const url = new URL(context.req.url);
  const target = (number: number): string => {
    const query = new URLSearchParams(url.searchParams);
    query.set("page", String(number));
    query.set("per_page", String(request.perPage));
    return `${baseUrl(services, context)}${url.pathname}?${query.toString()}`;
  };
  const links = [`<${target(1)}>; rel="first"`, `<${target(last)}>; rel="last"`];
  if (request.page > 1) links.push(`<${target(Math.min(request.page - 1, last))}>; rel="prev"`);
  if (request.page < last) links.push(`<${target(request.page + 1)}>; rel="next"`);
  context.header("link", links.join(", "));
  return { items: [...page.items], page: request.page, per_page: request.perPage, total: page.total };
}
