/**
 * A PyTorch state_dict as a safetensors file: the network's weights under their names, as `safetensors.torch.save_file(model.state_dict(), FILE)`
 * writes them, or a checkpoint of noisefold, of which only the weights are taken.
 */
import { NoisefoldError } from '../base/errors.ts';
import { decodeSafetensors, type SafeTensor } from '../base/safetensors.ts';
import { offsets, parameterSpecs } from '../model/parameters.ts';
import type { NetworkSpec } from '../model/types.ts';

/**
 * The flat vector of a network's weights. float64 tensors are rounded to float32.
 * @param where the file's name, for messages
 * Throws CHECKPOINT_CORRUPT where it is not a safetensors file or has tensors of another type, and CHECKPOINT_MISMATCH with every name that is
 * missing, unexpected, misshapen, or has a number that is not finite.
 */
export function readStateDict(bytes: Uint8Array, network: NetworkSpec, where: string): Float32Array {
  const tensors = tensorsOf(bytes, where);
  const slices = offsets(parameterSpecs(network));
  const weights = new Float32Array(slices.reduce((total, { size }) => total + size, 0));
  const [missing, misshapen, untyped]: [string[], string[], string[]] = [[], [], []];
  for (const { name, shape, offset } of slices) {
    const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
    if (tensor === undefined) missing.push(name);
    else if (tensor.shape.join() !== shape.join())
      misshapen.push(`${name} is [${tensor.shape.join(', ')}], not [${shape.join(', ')}]`);
    else if (tensor.dtype !== 'F32' && tensor.dtype !== 'F64') untyped.push(`${name} is ${tensor.dtype}`);
    else weights.set(tensor.data, offset);
  }
  const known = new Set(slices.map(({ name }) => name));
  const belongsToTraining = (name: string): boolean => known.has(name.replace(/^(adam\.(first|second)|recent\.\d+)\./, ''));
  const unexpected = Object.keys(tensors).filter((name) => !belongsToTraining(name));
  const notFinite = slices.flatMap(({ name, offset, size }) =>
    weights.subarray(offset, offset + size).every(Number.isFinite) ? [] : [name],
  );
  const problems = [
    ...said('missing', missing),
    ...said('unexpected', unexpected),
    ...said('misshapen', misshapen),
    ...said('not numbers with a point', untyped),
    ...said('NaN or infinite in', notFinite),
  ];
  if (problems.length === 0) return weights;
  throw new NoisefoldError('CHECKPOINT_MISMATCH', `the tensors are not those of the configured network\n${problems.join('\n')}`, {
    where,
    hint:
      problems.length === 1 && notFinite.length > 0
        ? 'The training that made them diverged: take an earlier checkpoint.'
        : advice(missing, unexpected, misshapen),
  });
}

function tensorsOf(bytes: Uint8Array, where: string): Readonly<Record<string, SafeTensor>> {
  try {
    return decodeSafetensors(bytes).tensors;
  } catch (cause) {
    if (!(cause instanceof NoisefoldError)) throw cause;
    throw new NoisefoldError(cause.code, cause.message, {
      where,
      hint: 'In Python: safetensors.torch.save_file({k: v.float() for k, v in model.state_dict().items()}, FILE)',
      cause,
    });
  }
}

/** At most this many names of a kind: a wrong number of layers would give dozens. */
const mostNames = 12;

const said = (what: string, names: readonly string[]): string[] =>
  names.length === 0
    ? []
    : [
        `  ${what}: ${names.slice(0, mostNames).join('; ')}${names.length > mostNames ? `; and ${names.length - mostNames} more` : ''}`,
      ];

function advice(missing: readonly string[], unexpected: readonly string[], misshapen: readonly string[]): string {
  const prefix = unexpected.map((name) => missing.find((wanted) => name.endsWith(`.${wanted}`)) && name).find(Boolean);
  if (prefix !== undefined && missing.length > 0) {
    const wanted = missing.find((name) => prefix.endsWith(`.${name}`)) ?? '';
    return `Take "${prefix.slice(0, prefix.length - wanted.length)}" off the names: it comes from a wrapper, such as DataParallel or torch.compile.`;
  }
  if (
    missing.length === 0 &&
    unexpected.length === 0 &&
    misshapen.some((text) => /^(excite|linear_1|mask_predictor)\.weight/.test(text))
  )
    return 'The model has other inputs than the data of the configuration give, or the sizes under model differ; docs/model.md lists the shapes.';
  return 'The names and shapes are listed in docs/model.md; sizes and number of layers stand under model in the configuration.';
}
