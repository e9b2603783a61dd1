"""compose.yml and kubernetes.yaml, given as arguments: do they parse, and does what they refer to exist?"""

import pathlib
import sys

import yaml

compose_path, kubernetes_path = map(pathlib.Path, sys.argv[1:])


def check(holds, what):
    if not holds:
        sys.exit(what)


def compose():
    text = yaml.safe_load(compose_path.read_text())
    services, volumes = text["services"], set(text["volumes"])
    wanted = {"bgpwarden", "kafka", "prometheus", "grafana", "routinator"}
    check(wanted <= set(services), f"no service {wanted - set(services)}")
    for name, service in services.items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                check((compose_path.parent / source).exists(), f"{name} mounts {source}, which is not there")
            else:
                check(source in volumes, f"{name} mounts the volume {source}, which is not declared")
        for secret in service.get("secrets", []):
            check(secret in text["secrets"], f"{name} uses the secret {secret}, which is not declared")
        for other in service.get("depends_on", {}):
            check(other in services, f"{name} depends on {other}, which is no service")


def kubernetes():
    objects = {item["kind"]: item for item in yaml.safe_load_all(kubernetes_path.read_text())}
    check(set(objects) == {"ConfigMap", "Service", "StatefulSet"}, f"these are there: {sorted(objects)}")
    config, service, stateful = objects["ConfigMap"], objects["Service"], objects["StatefulSet"]
    spec, pod = stateful["spec"], stateful["spec"]["template"]["spec"]
    check(spec["replicas"] == 1, "more than one replica tells every incident twice")
    check(spec["serviceName"] == service["metadata"]["name"], "the StatefulSet names another Service")
    check(spec["selector"]["matchLabels"] == service["spec"]["selector"], "the Service selects other pods")
    container = pod["containers"][0]
    ports = {port["name"] for port in container["ports"]}
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        check(container[probe]["httpGet"]["port"] == "metrics", f"the {probe} would need a token")
    check({port["targetPort"] for port in service["spec"]["ports"]} <= ports, "the Service names a port that is not open")
    given = {volume["name"] for volume in pod["volumes"]}
    given |= {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    check(mounted == given, f"mounted {sorted(mounted)}, given {sorted(given)}")
    check("metrics_listen" in config["data"]["bgpwarden.toml"], "nothing answers the probes")


compose()
kubernetes()
