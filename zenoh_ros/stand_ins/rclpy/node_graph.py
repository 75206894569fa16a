"""Graph queries of a node."""

from __future__ import annotations

from rclpy.topic_endpoint_info import TopicEndpointInfo
from zenoh_ros.wire import node as wire
from zenoh_ros.wire.graph import Graph
from zenoh_ros.wire.keys import EndpointKind, NodeKey
from zenoh_ros.wire.name_rules import qualified_node_name

NamesAndTypes = list[tuple[str, list[str]]]


class NodeNameNonExistentError(RuntimeError):
    """There is no node of this name on the graph."""


class NodeGraph:
    """The graph queries of a Node."""

    _impl: wire.Node

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        """Return a topic name expanded and, unless `only_expand`, remapped."""
        raise AssertionError("the node knows the rules")

    def resolve_service_name(self, service: str, *, only_expand: bool = False) -> str:
        """Return a service name expanded and, unless `only_expand`, remapped."""
        raise AssertionError("the node knows the rules")

    @property
    def _graph(self) -> Graph:
        return self._impl.session.graph

    def get_topic_names_and_types(self, no_demangle: bool = False) -> NamesAndTypes:
        """Return all topics on the graph."""
        return list(self._graph.topics().items())

    def get_service_names_and_types(self) -> NamesAndTypes:
        """Return all services on the graph."""
        return list(self._graph.services().items())

    def get_node_names(self) -> list[str]:
        """Return the names of all nodes, without their namespaces."""
        return [node.name for node in self._graph.nodes()]

    def get_fully_qualified_node_names(self) -> list[str]:
        """Return the names of all nodes, with their namespaces."""
        return [node.full_name for node in self._graph.nodes()]

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        """Return the names and namespaces of all nodes."""
        return [(node.name, node.namespace) for node in self._graph.nodes()]

    def get_node_names_and_namespaces_with_enclaves(self) -> list[tuple[str, str, str]]:
        """Return the names, namespaces and enclaves of all nodes."""
        return [(node.name, node.namespace, node.enclave or "/") for node in self._graph.nodes()]

    def _by_node(self, kind: EndpointKind, node_name: str, node_namespace: str) -> NamesAndTypes:
        name = qualified_node_name(node_name, node_namespace)
        if name not in self.get_fully_qualified_node_names():
            raise NodeNameNonExistentError(
                f"cannot get names and types for nonexistent node: {name}; there are "
                f"{', '.join(self.get_fully_qualified_node_names())}"
            )
        return list(self._graph.names_and_types(kind, node=name).items())

    def get_publisher_names_and_types_by_node(
        self, node_name: str, node_namespace: str, no_demangle: bool = False
    ) -> NamesAndTypes:
        """Return the topics that a node publishes; NodeNameNonExistentError if there is no such node."""
        return self._by_node(EndpointKind.PUBLISHER, node_name, node_namespace)

    def get_subscriber_names_and_types_by_node(
        self, node_name: str, node_namespace: str, no_demangle: bool = False
    ) -> NamesAndTypes:
        """Return the topics that a node subscribes to; NodeNameNonExistentError if there is no such node."""
        return self._by_node(EndpointKind.SUBSCRIPTION, node_name, node_namespace)

    def get_service_names_and_types_by_node(self, node_name: str, node_namespace: str) -> NamesAndTypes:
        """Return the services that a node offers; NodeNameNonExistentError if there is no such node."""
        return self._by_node(EndpointKind.SERVICE, node_name, node_namespace)

    def get_client_names_and_types_by_node(self, node_name: str, node_namespace: str) -> NamesAndTypes:
        """Return the services that a node has clients of; NodeNameNonExistentError if there is no such node."""
        return self._by_node(EndpointKind.CLIENT, node_name, node_namespace)

    def count_publishers(self, topic_name: str) -> int:
        """Count the publishers of a topic, which is expanded but not remapped."""
        return self._graph.count(EndpointKind.PUBLISHER, self.resolve_topic_name(topic_name, only_expand=True))

    def count_subscribers(self, topic_name: str) -> int:
        """Count the subscriptions of a topic, which is expanded but not remapped."""
        return self._graph.count(EndpointKind.SUBSCRIPTION, self.resolve_topic_name(topic_name, only_expand=True))

    def count_clients(self, service_name: str) -> int:
        """Count the clients of a service, which is expanded but not remapped."""
        return self._graph.count(EndpointKind.CLIENT, self.resolve_service_name(service_name, only_expand=True))

    def count_services(self, service_name: str) -> int:
        """Count the servers of a service, which is expanded but not remapped."""
        return self._graph.count(EndpointKind.SERVICE, self.resolve_service_name(service_name, only_expand=True))

    def get_publishers_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        """Describe the publishers of a topic, which is expanded and remapped."""
        found = self._graph.endpoints(EndpointKind.PUBLISHER, self.resolve_topic_name(topic_name))
        return [TopicEndpointInfo._from_key(key) for key in found]

    def get_subscriptions_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        """Describe the subscriptions of a topic, which is expanded and remapped."""
        found = self._graph.endpoints(EndpointKind.SUBSCRIPTION, self.resolve_topic_name(topic_name))
        return [TopicEndpointInfo._from_key(key) for key in found]

    def wait_for_node(self, fully_qualified_node_name: str, timeout: float) -> bool:
        """Block until a node is on the graph; False if it is not within `timeout` seconds."""
        name = "/" + fully_qualified_node_name.lstrip("/")

        def is_there(graph: Graph) -> bool:
            nodes: list[NodeKey] = graph.nodes()
            return any(node.full_name == name for node in nodes)

        return self._graph.wait_for(is_there, timeout)
