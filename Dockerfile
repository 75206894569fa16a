# ROS 2 Jazzy with this package, the policy's environment and the simulated arm. README.md explains the steps.
#   docker build -t rt_vla_ros .
#   docker run --rm -it --network host --gpus all rt_vla_ros          # without a GPU: omit --gpus all
FROM ros:jazzy
SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# For headless rendering of the simulated cameras, and for virtual environments.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0 \
    && rm -rf /var/lib/apt/lists/*

# The policy's environment: PyTorch from PyPI brings CUDA; the host needs the NVIDIA Container Toolkit.
ENV VIRTUAL_ENV=/opt/rt_vla_env
RUN python3 -m venv --system-site-packages "$VIRTUAL_ENV" \
    && "$VIRTUAL_ENV/bin/pip" install --no-cache-dir torch==2.13.0 'transformers>=5.18,!=5.20.1,!=5.20.2,<6' safetensors pillow 'numpy<2' \
    && "$VIRTUAL_ENV/bin/pip" install --no-cache-dir 'mujoco>=3.3,<3.9' \
    && "$VIRTUAL_ENV/bin/pip" install --no-cache-dir --no-deps gym-hil
# EGL on the GPU, in addition to CUDA.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics

WORKDIR /ws
COPY package.xml src/rt_vla_ros/
RUN apt-get update && rosdep update \
    && rosdep install --from-paths src --ignore-src -y \
    && rm -rf /var/lib/apt/lists/*
COPY . src/rt_vla_ros
RUN source "/opt/ros/$ROS_DISTRO/setup.bash" && colcon build --packages-select rt_vla_ros

# Every command runs in the workspace and the environment.
ENTRYPOINT ["/bin/bash", "-c", ". /ws/install/setup.bash && . \"$VIRTUAL_ENV/bin/activate\" && exec \"$@\"", "--"]
CMD ["ros2", "launch", "rt_vla_ros", "policy.launch.py"]
