import { Headcount } from "@headcount/node";

/** HEADCOUNT_COLLECTOR_URL and the other variables say where Headcount is. */
export const analytics = new Headcount();
