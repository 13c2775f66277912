// Makes kinds.txt: the fields, types, required fields and enums of the kinds that k8s/ uses, from Kubernetes' OpenAPI and two CRDs.
//
//   go mod download k8s.io/kubernetes@v1.36.1 github.com/kedacore/keda/v2@v2.17.2 github.com/prometheus-operator/prometheus-operator@v0.83.0
//   node --import tsx test/deploy/schema/extract.ts "$(go env GOMODCACHE)" > test/deploy/schema/kinds.txt
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** The part of OpenAPI that is used. */
interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | false;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-group-version-kind'?: readonly { readonly group: string; readonly version: string }[];
}
interface Crd {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

const modules = process.argv[2] ?? '';
const kubernetes = 'k8s.io/kubernetes@v1.36.1';
const keda = 'github.com/kedacore/keda/v2@v2.17.2';
const prometheus = 'github.com/prometheus-operator/prometheus-operator@v0.83.0';

/** File of the API group, version, kinds. */
const groups: readonly (readonly [file: string, group: string, kinds: readonly string[]])[] = [
  ['api__v1', 'core.v1', ['Namespace', 'Service', 'ConfigMap']],
  ['apis__apps__v1', 'apps.v1', ['StatefulSet', 'Deployment']],
  ['apis__batch__v1', 'batch.v1', ['Job']],
  ['apis__networking.k8s.io__v1', 'networking.v1', ['NetworkPolicy']],
  ['apis__policy__v1', 'policy.v1', ['PodDisruptionBudget']],
  ['apis__resource.k8s.io__v1', 'resource.v1', ['ResourceClaimTemplate']],
];
const crds: readonly (readonly [module: string, file: string])[] = [
  [keda, 'config/crd/bases/keda.sh_scaledobjects.yaml'],
  [prometheus, 'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml'],
  [prometheus, 'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml'],
];

/** OpenAPI has them in prose only. Source: the constants in staging/src/k8s.io/api. */
const enums: Readonly<Record<string, readonly string[]>> = {
  'batch.v1.JobSpec.completionMode': ['Indexed', 'NonIndexed'],
  'batch.v1.JobSpec.podReplacementPolicy': ['Failed', 'TerminatingOrFailed'],
  'batch.v1.PodFailurePolicyOnExitCodesRequirement.operator': ['In', 'NotIn'],
  'batch.v1.PodFailurePolicyRule.action': ['Count', 'FailIndex', 'FailJob', 'Ignore'],
  'core.v1.Container.imagePullPolicy': ['Always', 'IfNotPresent', 'Never'],
  'core.v1.HTTPGetAction.scheme': ['HTTP', 'HTTPS'],
  'core.v1.NodeSelectorRequirement.operator': ['DoesNotExist', 'Exists', 'Gt', 'In', 'Lt', 'NotIn'],
  'core.v1.PersistentVolumeClaimSpec.accessModes': ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'],
  'core.v1.PodSecurityContext.fsGroupChangePolicy': ['Always', 'OnRootMismatch'],
  'core.v1.PodSpec.restartPolicy': ['Always', 'Never', 'OnFailure'],
  'core.v1.SeccompProfile.type': ['Localhost', 'RuntimeDefault', 'Unconfined'],
  'core.v1.ServicePort.protocol': ['SCTP', 'TCP', 'UDP'],
  'core.v1.ServiceSpec.type': ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'],
  'core.v1.Toleration.effect': ['NoExecute', 'NoSchedule', 'PreferNoSchedule'],
  'core.v1.Toleration.operator': ['Equal', 'Exists', 'Gt', 'Lt'],
  'core.v1.TopologySpreadConstraint.whenUnsatisfiable': ['DoNotSchedule', 'ScheduleAnyway'],
  'networking.v1.NetworkPolicySpec.policyTypes': ['Egress', 'Ingress'],
  'networking.v1.NetworkPolicyPort.protocol': ['SCTP', 'TCP', 'UDP'],
  'policy.v1.PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy': ['AlwaysAllow', 'IfHealthyBudget'],
  'apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted': ['Delete', 'Retain'],
  'apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled': ['Delete', 'Retain'],
};
const unusedEnums = new Set(Object.keys(enums));

const roots: (readonly [api: string, kind: string, type: string])[] = [];
/** Name of a type to its OpenAPI schema. */
const schemas = new Map<string, Schema>();
const schemaOf = (name: string): Schema => {
  const schema = schemas.get(name);
  if (schema === undefined) throw new Error(`there is no type ${name}`);
  return schema;
};
const shortName = (name: string): string =>
  name.replace(/^io\.k8s\.(api|apimachinery\.pkg\.apis)\./, '').replace(/^.*\.(Quantity|IntOrString)$/, '$1');
/** What the API server writes. */
const leftOut = (field: string, schema: Schema): boolean =>
  field === 'managedFields' ||
  (field === 'status' && /Status"|"object"/.test(JSON.stringify([schema.$ref, schema.allOf, schema.type])));

for (const [file, group, kinds] of groups) {
  const path = join(modules, kubernetes, 'api/openapi-spec/v3', `${file}_openapi.json`);
  for (const [name, schema] of Object.entries(
    (JSON.parse(readFileSync(path, 'utf8')) as { components: { schemas: Record<string, Schema> } }).components.schemas,
  ))
    schemas.set(shortName(name), schema);
  for (const kind of kinds) {
    const { group: api, version } = schemaOf(`${group}.${kind}`)['x-kubernetes-group-version-kind']?.[0] ?? {
      group: '',
      version: '',
    };
    roots.push([api === '' ? version : `${api}/${version}`, kind, `${group}.${kind}`]);
  }
}
for (const [module, file] of crds) {
  const { spec } = parse(readFileSync(join(modules, module, file), 'utf8')) as Crd;
  const [{ name: version, schema } = { name: '', schema: { openAPIV3Schema: {} } }] = spec.versions;
  const { kind } = spec.names;
  const root = {
    ...schema.openAPIV3Schema,
    properties: { ...schema.openAPIV3Schema.properties, metadata: { $ref: 'meta.v1.ObjectMeta' } },
  };
  schemas.set(kind, root);
  roots.push([`${spec.group}/${version}`, kind, kind]);
}

/** The types that are written, in the order in which they were first met. */
const written = new Map<string, string[]>();

/** A type as kinds.txt says it; what it refers to is written, too. */
function typeOf(schema: Schema, path: string): string {
  const refs = schema.$ref ?? schema.allOf?.[0]?.$ref;
  if (refs !== undefined) {
    const name = shortName(refs.split('/').pop() ?? '');
    if (name === 'Quantity') return 'quantity';
    if (name === 'IntOrString') return 'int-or-string';
    return schemaOf(name).properties === undefined ? typeOf(schemaOf(name), name) : write(name);
  }
  if (schema['x-kubernetes-int-or-string']) return 'int-or-string';
  const values = enums[path] ?? schema.enum;
  unusedEnums.delete(path);
  if (schema.type === 'array')
    return `[${enums[path] === undefined ? typeOf(schema.items ?? {}, `${path}.item`) : enums[path].join('|')}]`;
  if (values !== undefined) return values.join('|');
  if (schema.properties !== undefined) {
    schemas.set(path, schema);
    return write(path);
  }
  if (schema.additionalProperties !== undefined && schema.additionalProperties !== false)
    return `{${typeOf(schema.additionalProperties, `${path}.value`)}}`;
  return schema.type === undefined || schema.type === 'object' ? 'any' : schema.type;
}

function write(name: string): string {
  if (written.has(name)) return name;
  const lines: string[] = [];
  written.set(name, lines);
  const { properties = {}, required = [] } = schemaOf(name);
  for (const [field, schema] of Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1)))
    if (!leftOut(field, schema))
      lines.push(`  ${field}${required.includes(field) ? '*' : ''} ${typeOf(schema, `${name}.${field}`)}`);
  return name;
}

for (const [, , name] of roots) write(name);
if (unusedEnums.size > 0) throw new Error(`no such fields: ${[...unusedEnums].join(', ')}`);
console.log(
  `# Made by extract.ts from ${kubernetes}, ${keda} and ${prometheus} (all Apache-2.0): names and types of fields, without their documentation.`,
);
console.log('# name* is required; [T] a list, {T} a map, a|b one of these words.');
for (const [api, kind, name] of roots) console.log(`kind ${api} ${kind} ${name}`);
for (const [name, lines] of written) console.log([name, ...lines].join('\n'));
