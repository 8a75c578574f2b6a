// Elements, made without ever reading text as markup: names and payloads come from producers.

export const byId = (id) => document.getElementById(id);

/** An element with properties, `data` attributes, attributes and children (elements or text). */
export function make(name, { data, attributes, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  Object.assign(element.dataset, data);
  for (const [key, value] of Object.entries(attributes ?? {})) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** A table of rows; a column is {title, of, number, value}: what is shown, and where it is a number the number itself. */
export function table(caption, columns, rows) {
  const kind = (column) => (column.number ? "number" : "");
  const raw = (column, row) => (column.value ? { value: column.value(row) } : {});
  const head = columns.map((column) => make("th", { scope: "col", className: kind(column) }, column.title));
  const body = rows.map((row) =>
    make("tr", {}, ...columns.map((column) => make("td", { className: kind(column), data: raw(column, row) }, column.of(row)))),
  );
  return make(
    "table",
    { attributes: { "aria-label": caption } },
    make("thead", {}, make("tr", {}, ...head)),
    make("tbody", {}, ...body),
  );
}

export const none = (text) => make("p", { className: "none" }, text);
