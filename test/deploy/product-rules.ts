/** What holds between the manifests and noisefold itself: its options, environment, ports, exit codes, times, key files, metrics, version. */
import { readdirSync } from 'node:fs';
import yargs, { type CommandModule } from 'yargs';
import { leaveMs } from '../../src/cli/device-workers.ts';
import { coordinatorCommand } from '../../src/cli/remote/coordinator.ts';
import { defaultAddress } from '../../src/cli/remote/connection.ts';
import { workerCommand } from '../../src/cli/worker.ts';
import { exitCodes, leaveWithinMs } from '../../src/worker/session.ts';
import {
  bytesOf,
  get,
  listAt,
  mapAt,
  nameOf,
  podsOf,
  read,
  scalar,
  textAt,
  type Json,
  type Manifest,
  type Pod,
} from './manifest.ts';
import { eachPod, type Rule } from './pod-rules.ts';

const { version } = JSON.parse(read('package.json')) as { version: string };
const commands = [coordinatorCommand, workerCommand] as readonly unknown[] as readonly CommandModule[];
const argsOf = (container: Json): string[] => listAt(container, 'args').map(scalar);
const option = (container: Json, name: string): string | undefined =>
  argsOf(container)
    .find((arg) => arg.startsWith(`--${name}=`))
    ?.slice(name.length + 3);

/** What yargs says of a command line; undefined where it is right. */
export function commandProblem(args: readonly string[]): string | undefined {
  let problem: string | undefined;
  const cli = yargs([...args])
    .exitProcess(false)
    .strict()
    .demandCommand(1)
    .help(false);
  for (const command of commands) cli.command({ ...command, handler: () => {} });
  cli.fail((message, error) => (problem ??= message || String(error)));
  void cli.parse();
  return problem;
}

const options: Rule = eachPod(({ containers }) =>
  containers.flatMap((container) => {
    const problem = commandProblem(argsOf(container));
    const given = argsOf(container).map((arg) => arg.replace(/=.*/, ''));
    const twice = given.filter((name, i) => given.indexOf(name) !== i);
    return [...(problem === undefined ? [] : [problem]), ...twice.map((name) => `${name} is given twice`)];
  }),
);

/** The variables that the sources read, and those that manifests and kubelet only pass on. */
const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
export const ownVariables = new Set(
  sources.flatMap((name) => [...read(`src/${name}`).matchAll(/process\.env\['(NOISEFOLD_\w+)'\]/g)].map((match) => match[1])),
);
const foreignVariables = ['NVIDIA_DRIVER_CAPABILITIES', 'CUDA_CACHE_PATH'];

const environment: Rule = eachPod(({ containers }) =>
  containers.flatMap((container) => {
    const names = listAt(container, 'env').map((variable) => textAt(variable, 'name'));
    const expanded = argsOf(container).flatMap((arg) => [...arg.matchAll(/\$\((\w+)\)/g)].map((match) => match[1] ?? ''));
    return [
      ...names
        .filter((name) => !ownVariables.has(name) && !foreignVariables.includes(name) && !expanded.includes(name))
        .map((name) => `nobody reads ${name}`),
      ...expanded.filter((name) => !names.includes(name)).map((name) => `$(${name}) stands for nothing`),
    ];
  }),
);

const port = (address: string | undefined): number => Number(/:(\d+)$/.exec(address ?? '')?.[1]);

const addresses: Rule = (manifests) =>
  podsOf(manifests).flatMap(({ owner, containers }) =>
    containers.flatMap((container) => {
      const named = (name: string): number =>
        Number(
          get(
            listAt(container, 'ports').find((one) => get(one, 'name') === name),
            'containerPort',
          ),
        );
      const say = (condition: boolean, problem: string): string[] => (condition ? [] : [`${owner}: ${problem}`]);
      const listen = option(container, 'listen');
      const connect = listAt(container, 'env').find((variable) => get(variable, 'name') === 'NOISEFOLD_CONNECT');
      const [, host, to] = /^tcp:\/\/([\w.-]+):(\d+)$/.exec(textAt(connect, 'value')) ?? [];
      const service = manifests.find((one) => one['kind'] === 'Service' && textAt(one, 'metadata.name') === host);
      return [
        ...say(port(option(container, 'http')) === named('http'), 'the port called http is not that of --http'),
        ...say(listen === undefined || port(listen) === named('zmq'), 'the port called zmq is not that of --listen'),
        ...say(listen === undefined || port(listen) === port(defaultAddress), 'listens at another port than clients try'),
        ...say(
          connect === undefined || listAt(service, 'spec.ports').some((one) => scalar(get(one, 'port')) === to),
          'connects to what is no service',
        ),
      ];
    }),
  );

const isWorker = ({ containers }: Pod): boolean => containers.some((container) => argsOf(container)[0] === 'worker');

const exits: Rule = (manifests) =>
  podsOf(manifests).flatMap((pod) => {
    const { owner, manifest, spec } = pod;
    if (manifest['kind'] !== 'Job') return textAt(spec, 'restartPolicy') === 'Never' ? [`${owner}: is never started again`] : [];
    const rules = listAt(manifest, 'spec.podFailurePolicy.rules');
    const actionOf = (code: number): string => {
      const rule = rules.find((one) => listAt(one, 'onExitCodes.values').includes(code));
      return textAt(rule, 'action');
    };
    const disrupted = rules.find((rule) =>
      listAt(rule, 'onPodConditions').some((condition) => textAt(condition, 'type') === 'DisruptionTarget'),
    );
    const names = pod.containers.map((container) => textAt(container, 'name'));
    const say = (condition: boolean, problem: string): string[] => (condition ? [] : [`${owner}: ${problem}`]);
    return [
      ...say(actionOf(exitCodes.refused) === 'FailIndex', `${exitCodes.refused} is tried again, or ends the other workers`),
      ...say(
        rules.indexOf(rules.find((rule) => textAt(rule, 'action') === 'FailIndex') ?? null) === 0,
        'another rule comes before the one for what was set up wrongly',
      ),
      ...say(actionOf(exitCodes.stopped) === 'Ignore', `${exitCodes.stopped} counts as a failure`),
      ...say(actionOf(128 + 15) === 'Ignore', 'SIGTERM counts as a failure'),
      ...say(textAt(disrupted, 'action') === 'Ignore', 'a disruption counts as a failure'),
      ...say(actionOf(exitCodes.drained) === '', `${exitCodes.drained} is no failure`),
      ...say(
        rules.every(
          (rule) => get(rule, 'onExitCodes') === undefined || names.includes(textAt(rule, 'onExitCodes.containerName')),
        ),
        'speaks of another container',
      ),
      ...say(textAt(spec, 'restartPolicy') === 'Never', 'a failure policy needs restartPolicy: Never'),
      ...say(textAt(manifest, 'spec.podReplacementPolicy') === 'Failed', 'a failure policy needs podReplacementPolicy: Failed'),
      ...say(
        textAt(manifest, 'spec.completionMode') === 'Indexed' && Number(get(manifest, 'spec.backoffLimitPerIndex')) > 0,
        'workers have no failures of their own',
      ),
      ...say(get(manifest, 'spec.backoffLimit') === undefined, 'failures of one worker end the others'),
      ...say(get(manifest, 'spec.completions') === get(manifest, 'spec.parallelism'), 'its two numbers of workers differ'),
      ...say(
        pod.containers.every((container) => option(container, 'idle-exit') !== undefined),
        'never ends: --idle-exit is missing',
      ),
    ];
  });

/** A worker leaves within 15 s (10 s for its task, and what follows); a supervisor kills the rest after leaveMs. */
export const longestLeaveMs = Math.max(leaveWithinMs + 5_000, leaveMs);
const grace: Rule = eachPod((pod) => {
  const seconds = Number(get(pod.spec, 'terminationGracePeriodSeconds'));
  return isWorker(pod) && !(seconds * 1000 > longestLeaveMs)
    ? [`is killed after ${seconds} s, and may take ${longestLeaveMs / 1000} s to leave`]
    : Number.isNaN(seconds)
      ? ['says no time to leave']
      : [];
});

/** serveHttp's, what each is for. */
const paths = { livenessProbe: '/healthz', startupProbe: '/healthz', readinessProbe: '/readyz' } as const;
const probes: Rule = eachPod(({ containers }) =>
  containers.flatMap((container) => [
    ...(['livenessProbe', 'readinessProbe'] as const)
      .filter((probe) => get(container, probe) === undefined)
      .map((probe) => `has no ${probe}`),
    ...(Object.keys(paths) as (keyof typeof paths)[]).flatMap((probe) => {
      const asked = get(container, `${probe}.httpGet`);
      if (get(container, probe) === undefined) return [];
      return textAt(asked, 'path') === paths[probe] && get(asked, 'port') === 'http'
        ? []
        : [`its ${probe} asks for something else than ${paths[probe]}`];
    }),
  ]),
);

const images: Rule = eachPod(({ containers }) =>
  containers.flatMap((container) => {
    const image = textAt(container, 'image');
    return [
      ...(/^noisefold-(coordinator|worker|worker-gpu):/.test(image) ? [] : [`${image} is no image of ours`]),
      ...(image.endsWith(`:${version}`) ? [] : [`${image} is not version ${version}`]),
      ...(textAt(container, 'imagePullPolicy') === 'IfNotPresent' ? [] : ['asks the registry at every start']),
    ];
  }),
);

/** What `noisefold keys init` makes, and who needs what of it. */
const secretName = 'noisefold-keys';
const keyFiles = { coordinator: ['authorised_keys', 'coordinator.json'], worker: ['worker.json'] } as const;

const secrets: Rule = eachPod((pod) => {
  const volumes = listAt(pod.spec, 'volumes').filter((volume) => get(volume, 'secret') !== undefined);
  const wanted = keyFiles[isWorker(pod) ? 'worker' : 'coordinator'];
  const files = volumes.flatMap((volume) => listAt(volume, 'secret.items').map((item) => textAt(item, 'path')));
  const container = pod.containers[0] ?? null;
  const mount = listAt(container, 'volumeMounts').find((one) =>
    volumes.some((volume) => textAt(volume, 'name') === textAt(one, 'name')),
  );
  const key = textAt(
    listAt(container, 'env').find((variable) => get(variable, 'name') === 'NOISEFOLD_KEY'),
    'value',
  );
  const folder = textAt(mount, 'mountPath');
  const say = (condition: boolean, problem: string): string[] => (condition ? [] : [problem]);
  return [
    ...say(
      volumes.every((volume) => textAt(volume, 'secret.secretName') === secretName),
      `its keys are not in ${secretName}`,
    ),
    ...say(
      JSON.stringify(files.toSorted()) === JSON.stringify(wanted),
      `gets ${files.join(', ')}, and needs ${wanted.join(', ')}`,
    ),
    ...say(
      volumes.every((volume) => get(volume, 'secret.defaultMode') === 0o440),
      'others may read its keys',
    ),
    ...say(get(mount, 'readOnly') === true && get(mount, 'subPath') === undefined, 'its keys are not a read-only folder'),
    ...say(isWorker(pod) ? key === `${folder}/worker.json` : option(container, 'keys') === folder, 'its keys are somewhere else'),
    ...pod.containers.flatMap((one) =>
      listAt(one, 'env').flatMap((variable) =>
        get(variable, 'valueFrom.secretKeyRef') === undefined
          ? []
          : [`${textAt(variable, 'name')} has a secret in the environment`],
      ),
    ),
  ];
});

/** Folders that the options name are writable volumes, large enough. */
const folders: Rule = eachPod(({ spec, containers }) =>
  containers.flatMap((container) => {
    const mountOf = (path: string | undefined): Json | undefined =>
      listAt(container, 'volumeMounts').find((mount) => textAt(mount, 'mountPath') === path && get(mount, 'readOnly') !== true);
    const cache = option(container, 'cache');
    const volume = listAt(spec, 'volumes').find((one) => textAt(one, 'name') === textAt(mountOf(cache), 'name'));
    const size = bytesOf((option(container, 'cache-size') ?? '').replace(/iB$/, 'i'));
    return [
      ...['data', 'cache'].flatMap((name) => {
        const path = option(container, name);
        return path === undefined || mountOf(path) !== undefined ? [] : [`--${name}=${path} cannot be written`];
      }),
      ...(mountOf('/tmp') === undefined ? ['/tmp cannot be written'] : []),
      ...(cache === undefined || size < bytesOf(get(volume, 'emptyDir.sizeLimit'))
        ? []
        : ['its cache may grow larger than its folder']),
    ];
  }),
);

interface Metric {
  readonly type: string;
  readonly labels: readonly string[];
}
const described = new Map<string, Metric>(
  read('docs/metrics.md')
    .split('\n')
    .filter((line) => line.startsWith('| `noisefold_'))
    .map((line) => {
      const [, name = '', type = '', labels = ''] = line
        .replaceAll('`', '')
        .split('|')
        .map((cell) => cell.trim());
      return [name, { type, labels: labels.split(',').map((label) => label.trim()) }] as const;
    }),
);

/** Every PromQL expression of an alert, a panel or a trigger. */
export function expressionsOf(manifest: Manifest): string[] {
  if (manifest['kind'] === 'PrometheusRule')
    return listAt(manifest, 'spec.groups').flatMap((group) => listAt(group, 'rules').map((rule) => textAt(rule, 'expr')));
  if (manifest['kind'] === 'ScaledObject')
    return listAt(manifest, 'spec.triggers').map((trigger) => textAt(trigger, 'metadata.valueLocation'));
  return Object.entries(mapAt(manifest, 'data'))
    .filter(([name]) => manifest['kind'] === 'ConfigMap' && name.endsWith('.json'))
    .flatMap(([, text]) => {
      const dashboard = JSON.parse(scalar(text)) as Json;
      return listAt(dashboard, 'panels').flatMap((panel) => listAt(panel, 'targets').map((target) => textAt(target, 'expr')));
    });
}

const metrics: Rule = (manifests) =>
  manifests.flatMap((manifest) =>
    expressionsOf(manifest).flatMap((expression) =>
      [...expression.matchAll(/(\w+)(?:\{([^}]*)\})?/g)].flatMap(([, word = '', matchers = '']) => {
        if (!word.startsWith('noisefold_')) return [];
        const metric = described.get(word) ?? described.get(word.replace(/_(bucket|sum|count)$/, ''));
        if (metric === undefined || (metric.type === 'histogram') !== /_(bucket|sum|count)$/.test(word))
          return [`${nameOf(manifest)}: there is no metric ${word}`];
        const labels = [...matchers.matchAll(/(\w+)\s*[=!]/g)].map((match) => match[1] ?? '');
        return labels
          .filter((label) => !metric.labels.includes(label))
          .map((label) => `${nameOf(manifest)}: ${word} has no label ${label}`);
      }),
    ),
  );

/** KEDA asks where the coordinator answers. */
const triggers: Rule = (manifests) =>
  manifests
    .filter((manifest) => manifest['kind'] === 'ScaledObject')
    .flatMap((manifest) =>
      listAt(manifest, 'spec.triggers').flatMap((trigger) => {
        const url = new URL(textAt(trigger, 'metadata.url'));
        const [name, inNamespace, ...rest] = url.hostname.split('.');
        const service = manifests.find(
          (one) =>
            one['kind'] === 'Service' &&
            textAt(one, 'metadata.name') === name &&
            textAt(one, 'metadata.namespace') === inNamespace,
        );
        const there =
          rest.join('.') === 'svc.cluster.local' &&
          listAt(service, 'spec.ports').some((one) => get(one, 'name') === 'http' && scalar(get(one, 'port')) === url.port);
        return there && url.pathname === '/metrics' ? [] : [`${nameOf(manifest)}: nothing answers at ${url.href}`];
      }),
    );

export const productRules = {
  'options are options': options,
  'environment variables are read': environment,
  'addresses and ports are the code’s': addresses,
  'exit codes mean what they mean': exits,
  'time enough to leave': grace,
  'probes ask what is served': probes,
  'images of this version': images,
  'keys as files, each to whom it belongs': secrets,
  'folders can be written': folders,
  'metrics are those of the page': metrics,
  'KEDA asks the coordinator': triggers,
} satisfies Record<string, Rule>;
