"""ROS 2 over Zenoh with rmw_zenoh's protocol; the API is not rclpy's.

    session = Session.open()                                   # hosts the router or connects to it
    node = session.create_node("policy", "/demo")
    publisher = node.create_publisher("/demo/action", ActionChunk, QosProfile(depth=10))
    publisher.publish(message)
    subscription = node.create_subscription("/demo/image", Image, QosProfile(depth=1), on_data=wake_the_executor)
    taken = subscription.take()                                # (message, MessageInfo) or None; decoded here
    service = node.create_service("/demo/stop", Trigger, on_data=wake_the_executor)
    taken = service.take()                                     # (request, Request) or None; Request.reply(response)
    client = node.create_client("/demo/stop", Trigger, on_data=wake_the_executor)
    sequence = client.send(request); taken = client.take()     # (response, sequence) or None
    session.graph.nodes() / .endpoints(kind, name) / .on_change(callback) / .wait_for(condition, timeout)
    node.close(); session.close()

Names of topics and services are fully qualified ("/demo/image"). Message and service classes come from
`messages.message_class("sensor_msgs/msg/Image")` and `messages.service_class("std_srvs/srv/Trigger")`.
`on_data` hooks run in Zenoh's receive thread: they must only wake another thread.
"""
