/** What holds between the objects: whoever names another finds it. */
import { get, isMap, listAt, mapAt, nameOf, podsOf, scalar, textAt, type Json, type Manifest, type Pod } from './manifest.ts';
import { eachPod, type Rule } from './pod-rules.ts';

const ofKind = (manifests: readonly Manifest[], kind: string): Manifest[] =>
  manifests.filter((manifest) => manifest['kind'] === kind);

const selects = (selector: Json | undefined, labels: Json | undefined): boolean =>
  isMap(selector) && Object.entries(selector).every(([key, value]) => isMap(labels) && labels[key] === value);

const selected = (pods: readonly Pod[], selector: Json | undefined): Pod[] =>
  pods.filter(({ labels }) => selects(selector ?? {}, labels));

const portsOf = (pods: readonly Pod[]): Json[] =>
  pods.flatMap(({ containers }) => containers.flatMap((container) => [...listAt(container, 'ports')]));
const hasPort = (ports: readonly Json[], port: Json | undefined): boolean =>
  ports.some((one) => get(one, 'name') === port || get(one, 'containerPort') === port);

const selectors: Rule = (manifests) => {
  const pods = podsOf(manifests);
  return manifests.flatMap((manifest) => {
    const name = nameOf(manifest);
    const nobody = (selector: Json | undefined, what = 'selects'): string[] =>
      selected(pods, selector).length === 0 ? [`${name}: ${what} no pod: ${JSON.stringify(selector)}`] : [];
    switch (textAt(manifest, 'kind')) {
      case 'StatefulSet':
      case 'Deployment':
        return selects(get(manifest, 'spec.selector.matchLabels'), get(manifest, 'spec.template.metadata.labels'))
          ? []
          : [`${name}: does not select its own pods`];
      case 'Service':
        return nobody(get(manifest, 'spec.selector'));
      case 'PodDisruptionBudget':
        return nobody(get(manifest, 'spec.selector.matchLabels'));
      case 'ServiceMonitor':
        return ofKind(manifests, 'Service').some((service) =>
          selects(get(manifest, 'spec.selector.matchLabels'), get(service, 'metadata.labels')),
        )
          ? []
          : [`${name}: selects no service`];
      case 'NetworkPolicy': {
        const peers = [...listAt(manifest, 'spec.ingress'), ...listAt(manifest, 'spec.egress')].flatMap((rule) => [
          ...listAt(rule, 'from'),
          ...listAt(rule, 'to'),
        ]);
        const ours = peers.filter((peer) => get(peer, 'namespaceSelector') === undefined);
        return [
          ...nobody(get(manifest, 'spec.podSelector.matchLabels') ?? {}),
          ...ours.flatMap((peer) => nobody(get(peer, 'podSelector.matchLabels'), 'speaks of')),
        ];
      }
      default:
        return [];
    }
  });
};

/** Labels of each pod that others look for. */
const spread: Rule = eachPod(({ labels, spec, owner }) => {
  const constraints = listAt(spec, 'topologySpreadConstraints');
  return [
    ...(owner.endsWith('/worker') && constraints.length === 0 ? ['all workers may end up on one node'] : []),
    ...constraints.flatMap((constraint) =>
      selects(get(constraint, 'labelSelector.matchLabels'), labels) ? [] : ['is spread by labels that it has not'],
    ),
  ];
});

const ports: Rule = (manifests) => {
  const pods = podsOf(manifests);
  const services = ofKind(manifests, 'Service').flatMap((service) =>
    listAt(service, 'spec.ports').flatMap((port) =>
      hasPort(portsOf(selected(pods, get(service, 'spec.selector'))), get(port, 'targetPort'))
        ? []
        : [`${nameOf(service)}: its pods have no port ${scalar(get(port, 'targetPort'))}`],
    ),
  );
  const policies = ofKind(manifests, 'NetworkPolicy').flatMap((policy) => {
    const own = portsOf(selected(pods, get(policy, 'spec.podSelector.matchLabels') ?? {}));
    const into = listAt(policy, 'spec.ingress').flatMap((rule) => listAt(rule, 'ports').map((port) => [own, port] as const));
    const out = listAt(policy, 'spec.egress').flatMap((rule) => {
      const targets = listAt(rule, 'to').filter(
        (peer) => get(peer, 'namespaceSelector') === undefined && get(peer, 'ipBlock') === undefined,
      );
      const theirs = targets.flatMap((peer) => portsOf(selected(pods, get(peer, 'podSelector.matchLabels'))));
      return targets.length === 0 ? [] : listAt(rule, 'ports').map((port) => [theirs, port] as const);
    });
    return [...into, ...out].flatMap(([there, port]) =>
      hasPort(there, get(port, 'port')) ? [] : [`${nameOf(policy)}: nobody there has the port ${scalar(get(port, 'port'))}`],
    );
  });
  const monitors = ofKind(manifests, 'ServiceMonitor').flatMap((monitor) =>
    listAt(monitor, 'spec.endpoints').flatMap((endpoint) =>
      ofKind(manifests, 'Service').some((service) =>
        listAt(service, 'spec.ports').some((port) => get(port, 'name') === get(endpoint, 'port')),
      )
        ? []
        : [`${nameOf(monitor)}: no service has the port ${textAt(endpoint, 'port')}`],
    ),
  );
  return [...services, ...policies, ...monitors];
};

/** Everything is closed; what is open names its ports. */
const network: Rule = (manifests) => {
  const policies = ofKind(manifests, 'NetworkPolicy');
  const closed = policies.some(
    (policy) =>
      Object.keys(mapAt(policy, 'spec.podSelector')).length === 0 &&
      ['Ingress', 'Egress'].every((type) => listAt(policy, 'spec.policyTypes').includes(type)) &&
      get(policy, 'spec.ingress') === undefined &&
      get(policy, 'spec.egress') === undefined,
  );
  const open = policies.flatMap((policy) =>
    [...listAt(policy, 'spec.ingress'), ...listAt(policy, 'spec.egress')].flatMap((rule) =>
      listAt(rule, 'ports').length > 0 && listAt(rule, 'from').length + listAt(rule, 'to').length > 0
        ? []
        : [`${nameOf(policy)}: opens all ports, or to everybody`],
    ),
  );
  return [...(closed ? [] : ['no policy closes everything']), ...open];
};

const namespace: Rule = (manifests) => {
  const names = ofKind(manifests, 'Namespace').map((one) => textAt(one, 'metadata.name'));
  const twice = manifests.map(nameOf).filter((name, i, all) => all.indexOf(name) !== i);
  return [
    ...manifests.flatMap((manifest) =>
      manifest['kind'] === 'Namespace' || names.includes(textAt(manifest, 'metadata.namespace'))
        ? []
        : [`${nameOf(manifest)}: is in no namespace of ours`],
    ),
    ...ofKind(manifests, 'Namespace').flatMap((one) =>
      mapAt(one, 'metadata.labels')['pod-security.kubernetes.io/enforce'] === 'restricted'
        ? []
        : [`${nameOf(one)}: does not enforce restricted Pod Security`],
    ),
    ...twice.map((name) => `${name}: is there twice`),
  ];
};

/** One coordinator, whose studies outlive it, and which does not hold up a drained node. */
const coordinator: Rule = (manifests) => {
  const sets = ofKind(manifests, 'StatefulSet');
  const budgets = ofKind(manifests, 'PodDisruptionBudget');
  return [
    ...(sets.length === 1 ? [] : [`there are ${sets.length} StatefulSets`]),
    ...sets.flatMap((set) => [
      ...(get(set, 'spec.replicas') === 1 ? [] : ['there is more or less than one coordinator']),
      ...(['whenDeleted', 'whenScaled'].every(
        (when) => get(set, `spec.persistentVolumeClaimRetentionPolicy.${when}`) === 'Retain',
      )
        ? []
        : ['its volume goes with it']),
      ...listAt(set, 'spec.volumeClaimTemplates').flatMap((claim) =>
        /^\["ReadWriteOnce(Pod)?"\]$/.test(JSON.stringify(get(claim, 'spec.accessModes')))
          ? []
          : ['several pods may write its volume'],
      ),
      ...(ofKind(manifests, 'Service').some((service) => textAt(service, 'metadata.name') === textAt(set, 'spec.serviceName'))
        ? []
        : ['its service is missing']),
    ]),
    ...(budgets.length > 0 && budgets.every((budget) => Number(get(budget, 'spec.maxUnavailable')) >= 1)
      ? []
      : ['its budget blocks node drains']),
  ];
};

const scaling: Rule = (manifests) =>
  ofKind(manifests, 'ScaledObject').flatMap((scaled) => {
    const target = ofKind(manifests, 'Deployment').find(
      (one) => textAt(one, 'metadata.name') === textAt(scaled, 'spec.scaleTargetRef.name'),
    );
    if (target === undefined) return [`${nameOf(scaled)}: scales what is not there`];
    return [
      ...(get(target, 'spec.replicas') === undefined ? [] : [`${nameOf(target)}: has a size of its own beside KEDA's`]),
      ...(Number(get(scaled, 'spec.minReplicaCount')) <= Number(get(scaled, 'spec.maxReplicaCount'))
        ? []
        : [`${nameOf(scaled)}: its bounds are no bounds`]),
    ];
  });

const claims: Rule = (manifests) => {
  const templates = ofKind(manifests, 'ResourceClaimTemplate').map((template) => textAt(template, 'metadata.name'));
  return podsOf(manifests).flatMap(({ owner, spec }) =>
    listAt(spec, 'resourceClaims').flatMap((claim) =>
      templates.includes(textAt(claim, 'resourceClaimTemplateName')) ? [] : [`${owner}: claims by a template that is not there`],
    ),
  );
};

export const wiringRules = {
  'selectors find pods': selectors,
  'workers are spread': spread,
  'ports are there': ports,
  'closed but for what is needed': network,
  'one namespace, restricted': namespace,
  'one coordinator, durable': coordinator,
  'KEDA scales what is there': scaling,
  'claims have templates': claims,
} satisfies Record<string, Rule>;
