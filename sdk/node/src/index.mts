// One implementation serves `import` and `require`, so that an application that uses both has one set of classes.
export * from "./index.js";
