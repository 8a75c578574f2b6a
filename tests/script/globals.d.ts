/** The event types of the deployment: the collector puts their names in its place. */
declare const TYPES: string[];

/** What a page can ask for. */
interface HeadcountOptions {
  /** The write key. */
  key?: string;
  /** Where the collector is: the address of the script. */
  url?: string;
  /** Whether visitors are counted before they are known. */
  anonymous?: boolean;
  /** Whether the part of an address behind # is a page of its own. */
  hash?: boolean;
}

/** What a page has of Headcount. */
interface Headcount {
  track(name: string, data?: object): void;
  identify(id: unknown): void;
  init(options: HeadcountOptions): void;
}

interface Window {
  headcount?: Headcount;
}

interface Document {
  /** Whether the page is loaded before anybody looks at it. */
  readonly prerendering?: boolean;
}
