"""A minimal Gymnasium environment for outside_environment.py: move the hand onto the mark."""

import gymnasium
import numpy as np


class ReachEnvironment(gymnasium.Env):
    """Actions are displacements in a plane, -1 ... 1 for up to 2 cm per axis; one pixel is 1 cm."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as in Gymnasium
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    observation_space = gymnasium.spaces.Box(0, 255, (64, 64, 3), np.uint8)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.hand, self.mark = np.array([-28.0, 0.0]), self.np_random.uniform(-20, 28, 2)  # x, y [cm]
        return self.render(), {"instruction": "move to the red mark"}

    def step(self, action):
        self.hand = np.clip(self.hand + 2 * np.asarray(action), -30, 30)
        near = bool(np.linalg.norm(self.hand - self.mark) < 2)
        return self.render(), float(near), near, False, {"is_success": near}

    def render(self):
        image = np.full((64, 64, 3), 40, np.uint8)
        for (x, y), color in ((self.mark, (255, 0, 0)), (self.hand, (255, 255, 255))):
            row, column = 32 - round(y), 32 + round(x)  # y points up
            image[row - 1 : row + 2, column - 1 : column + 2] = color
        return image


gymnasium.register("Reach-v0", ReachEnvironment, max_episode_steps=60)
