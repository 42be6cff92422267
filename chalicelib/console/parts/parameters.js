// The training parameters as the API documents them: kinds, bounds, defaults, and which of them are shown.
import { openapi } from "../app/api.js";
import { figure } from "./format.js";

export const BASIC = ["architecture", "pretrained", "epochs", "learningRate", "batchSize", "imageSize", "augmentation", "horizontalFlip"];
const CLASSIFIERS_ALONE = new Set(["labelSmoothing", "mixup", "cutmix", "classWeights", "balancedSampling"]);
const CLASSIFIERS_AUGMENTATIONS = new Set(["trivialaugment", "randaugment"]);
const DETECTOR = /ssd|rcnn|retinanet/;

/** [{name, kind, options, low, high, above, below, step, optional, fallback, doc}] of a task. */
export async function parametersFor(taskType) {
  const { components } = await openapi();
  return Object.entries(components.schemas.TrainingConfigure.properties)
    .map(([name, schema]) => parameter(name, schema))
    .filter(({ name }) => taskType === "classification" || !CLASSIFIERS_ALONE.has(name))
    .map((each) => fitting(each, taskType));
}

function parameter(name, schema) {
  const kinds = schema.anyOf ?? [schema];
  const own = kinds.find((each) => each.type !== "null");
  return {
    name,
    kind: own.type === "string" || own.enum ? "choice" : own.type,
    options: own.enum ?? kinds.flatMap((each) => each.enum ?? (each.const ? [each.const] : [])),
    low: own.minimum ?? own.exclusiveMinimum,
    high: own.maximum ?? own.exclusiveMaximum,
    isAbove: own.exclusiveMinimum !== undefined,
    isBelow: own.exclusiveMaximum !== undefined,
    optional: kinds.some((each) => each.type === "null"),
    fallback: schema.default ?? null,
    doc: schema.description ?? "",
  };
}

function fitting(each, taskType) {
  const isDetection = taskType === "detection";
  if (each.name === "architecture") return { ...each, options: each.options.filter((name) => DETECTOR.test(name) === isDetection) };
  if (each.name === "augmentation" && isDetection) return { ...each, options: each.options.filter((name) => !CLASSIFIERS_AUGMENTATIONS.has(name)) };
  return each;
}

/** "1 to 1,000", "more than 0, up to 10". */
export function bounds({ kind, low, high, isAbove, isBelow }) {
  if (kind === "choice" || kind === "boolean" || (low === undefined && high === undefined)) return "";
  const from = low === undefined ? "" : isAbove ? `more than ${figure(low)}` : figure(low);
  const to = high === undefined ? "" : isBelow ? `less than ${figure(high)}` : isAbove ? `up to ${figure(high)}` : figure(high);
  if (!from || !to) return from ? `${from} or more` : `up to ${to}`;
  return isAbove || isBelow ? `${from}, ${to}` : `${from} to ${to}`;
}

/** What is wrong with a typed value, or "". */
export function wrong(parameter, text) {
  const { kind, low, high, isAbove, isBelow, optional } = parameter;
  if (kind === "boolean" || kind === "choice") return "";
  if (String(text).trim() === "") return optional ? "" : "A number is needed here.";
  const value = Number(text);
  if (!Number.isFinite(value) || (kind === "integer" && !Number.isInteger(value))) return kind === "integer" ? "A whole number is needed here." : "A number is needed here.";
  const isLow = low !== undefined && (isAbove ? value <= low : value < low);
  const isHigh = high !== undefined && (isBelow ? value >= high : value > high);
  return isLow || isHigh ? `Out of bounds: ${bounds(parameter)}.` : "";
}

/** A typed value as the API takes it; null is "automatic". */
export function sent({ kind }, text) {
  if (text === "" || text === null) return null;
  return kind === "number" || kind === "integer" ? Number(text) : text;
}
